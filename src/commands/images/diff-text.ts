// The difference of two images as text, as a summary and as JSON.

import type { FieldChange, ImageDiff, TreeChange } from "../../../builder/diff-images.ts";
import { humanSize } from "../../cli/human.ts";
import { namedInJson, printable, printableName } from "../../cli/printable.ts";
import { cut } from "../../progress/terminal-text.ts";
import { entryToJson, modeText, timeText } from "./file-text.ts";
import { formatTable } from "../table.ts";

const MARKS = { added: "A", changed: "C", deleted: "D" } as const;

/** Fields, then files under the instruction that is responsible for them. */
export function diffText(diff: ImageDiff): string {
  const { fields, files } = diff;
  const parts: string[] = [];
  for (const [place, changes] of Map.groupBy(fields, (change) => fieldHeading(diff, change))) {
    parts.push(`${place}\n${changes.map(fieldText).join("")}`);
  }
  for (const [place, changes] of byLayer(files)) {
    parts.push(`${heading(diff, place)}\n${changes.map(fileText).join("")}`);
  }
  return parts.length > 0 ? parts.join("\n") : `${same(diff)}\n`;
}

/** How much each instruction changed. */
export function diffStat(diff: ImageDiff): string {
  const { fields, files } = diff;
  if (fields.length === 0 && files.length === 0) return `${same(diff)}\n`;
  const rows = [...byLayer(files)].map(([place, changes]) => [...counts(changes), heading(diff, place)]);
  const table =
    rows.length === 0
      ? ""
      : formatTable([["ADDED", "CHANGED", "DELETED", "BYTES", "BY"], ...rows], { right: [0, 1, 2, 3] });
  const all = counts(files);
  return `${table}${fields.length} config fields, ${all[0]} files added, ${all[1]} changed, ${all[2]} deleted: ${all[3]}\n`;
}

/** Everything as data; the layer of a change says the instruction. */
export function diffToJson(diff: ImageDiff): Readonly<Record<string, unknown>> {
  const { a, b, sharedLayers, fields, files } = diff;
  return {
    equal: fields.length === 0 && files.length === 0,
    a,
    b,
    sharedLayers,
    config: fields,
    files: files.map((change) => ({
      kind: change.kind,
      ...namedInJson("path", `/${change.path}`),
      ...(change.kind === "changed" ? { fields: change.fields } : {}),
      ...(change.before === undefined ? {} : { before: entryToJson(change.before) }),
      ...(change.after === undefined ? {} : { after: entryToJson(change.after) }),
      image: change.by.side,
      layer: change.by.layer + 1,
      createdBy: instructionOf(diff, change.by),
    })),
  };
}

function instructionOf(diff: ImageDiff, { side, layer }: TreeChange["by"]): string | undefined {
  return diff[side].layers[layer]?.instruction;
}

type Entry = NonNullable<TreeChange["after"]>;

function same(diff: ImageDiff): string {
  const isOne = diff.a.imageId === diff.b.imageId;
  return isOne
    ? "They are the same image."
    : "Nothing differs but times and how the layers are made: --times shows times.";
}

/** Changes by the layer that is responsible, b's lowest first, then a's. */
function byLayer(files: readonly TreeChange[]): Map<TreeChange["by"], TreeChange[]> {
  const groups = new Map<string, { place: TreeChange["by"]; changes: TreeChange[] }>();
  for (const change of files) {
    const key = `${change.by.side}${change.by.layer}`;
    const group = groups.get(key) ?? { place: change.by, changes: [] };
    group.changes.push(change);
    groups.set(key, group);
  }
  const rank = ({ side, layer }: TreeChange["by"]): number => (side === "b" ? 0 : 1e6) + layer;
  const sorted = [...groups.values()].sort((x, y) => rank(x.place) - rank(y.place));
  return new Map(sorted.map(({ place, changes }) => [place, changes]));
}

const INSTRUCTION_COLUMNS = 100;

function heading(diff: ImageDiff, place: TreeChange["by"]): string {
  const instruction = instructionOf(diff, place) ?? "";
  const name = printable(diff[place.side].name);
  return `${name} layer ${place.layer + 1}  ${cut(printable(instruction), INSTRUCTION_COLUMNS)}`.trimEnd();
}

/** The instruction that a field comes from; `config` where the history does not tell, and for the history itself. */
function fieldHeading({ a, b }: ImageDiff, { kind, instruction }: FieldChange): string {
  if (instruction === undefined) return "config";
  const name = printable((kind === "deleted" ? a : b).name);
  return `${name} config  ${cut(printable(instruction), INSTRUCTION_COLUMNS)}`;
}

function fieldText({ kind, field, before, after }: FieldChange): string {
  const shown = (value: unknown): string => printable(JSON.stringify(value) ?? "");
  const values = kind === "changed" ? `${shown(before)} -> ${shown(after)}` : shown(kind === "added" ? after : before);
  return `  ${MARKS[kind]} ${printable(field)}  ${values}\n`;
}

function fileText(change: TreeChange): string {
  const { kind, path, before, after, fields } = change;
  const entry = after ?? before;
  const name = `/${printableName(path)}${entry?.type === "dir" && path !== "" ? "/" : ""}`;
  if (kind !== "changed" || before === undefined || after === undefined) {
    const detail = entry?.type === "file" ? `  ${humanSize(entry.size)}` : "";
    return `  ${MARKS[kind]} ${name}${detail}\n`;
  }
  const details = fields.map((field) => fieldDetail(field, before, after)).join(", ");
  return `  ${MARKS[kind]} ${name}  ${details}\n`;
}

function fieldDetail(field: TreeChange["fields"][number], before: Entry, after: Entry): string {
  const both = (of: (entry: Entry) => string): string => `${field} ${of(before)} -> ${of(after)}`;
  switch (field) {
    case "type":
      return both(({ type }) => type);
    case "mode":
      return both((entry) => modeText(entry));
    case "owner":
      return both(({ uid, gid }) => `${uid}:${gid}`);
    case "size":
      return both(({ size }) => `${size}`);
    case "link":
      return both(({ link = "" }) => printableName(link));
    case "device":
      return both(({ major = 0, minor = 0 }) => `${major}:${minor}`);
    case "time":
      return both(({ mtimeNs }) => timeText(mtimeNs));
    case "hardlink":
      return both(({ type, link = "" }) => (type === "hardlink" ? `/${printableName(link)}` : "its own"));
    case "xattr":
      return `xattr ${changedXattrs(before, after).map(printable).join(" ")}`;
    case "content":
      return "content";
  }
}

function changedXattrs({ xattrs: before = {} }: Entry, { xattrs: after = {} }: Entry): string[] {
  const [left, right] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...new Set([...left.keys(), ...right.keys()])].sort().filter((name) => {
    const [one, other] = [left.get(name), right.get(name)];
    return one === undefined || other === undefined || Buffer.compare(one, other) !== 0;
  });
}

function counts(changes: readonly TreeChange[]): [string, string, string, string] {
  const count = (kind: TreeChange["kind"]): string => `${changes.filter((change) => change.kind === kind).length}`;
  const bytes = changes.reduce((sum, { before, after }) => sum + (after?.size ?? 0) - (before?.size ?? 0), 0);
  return [count("added"), count("changed"), count("deleted"), `${bytes < 0 ? "-" : "+"}${humanSize(Math.abs(bytes))}`];
}

// The picture of a walk through layers: layers at the left, files at the right, what the keys do below. Pure.

import type { LayerReport, Mark } from "../../../builder/layer-usage.ts";
import { humanSize } from "../../cli/human.ts";
import { printable, printableName } from "../../cli/printable.ts";
import { columns, cut } from "../../progress/terminal-text.ts";
import { modeText } from "./file-text.ts";
import { efficiencyText } from "./layers.ts";
import type { TreeRow, Walk } from "./layers-walk.ts";
import { treeRows } from "./layers-walk.ts";

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

type Paint = "none" | "title" | "chosen" | "faint" | Exclude<Mark, "same">;

/** A piece of a line. */
interface Span {
  readonly text: string;
  readonly paint: Paint;
}

/** Below this nothing sensible fits. */
const LEAST: ScreenSize = { columns: 40, rows: 8 };
const KEYS = "arrows move and open   tab other pane   a changes/all files   q quit";

/** Rows of a pane, for paging. */
export function paneRows(size: ScreenSize): number {
  return Math.max(1, size.rows - 3);
}

/** The whole screen, a string a row, with the sequences that paint it; none is wider than the screen. */
export function renderWalk(walk: Walk, size: ScreenSize, colours: boolean): string[] {
  if (size.columns < LEAST.columns || size.rows < LEAST.rows) {
    const text = `at least ${LEAST.columns} columns and ${LEAST.rows} rows, please; q quits`;
    return fill([[{ text: cut(text, size.columns), paint: "none" }]], size.rows).map((line) =>
      paintLine(line, colours),
    );
  }
  const left = Math.min(60, Math.floor(size.columns * 0.45));
  const right = size.columns - left - 3;
  const height = paneRows(size);
  const [layers, files] = [layersPane(walk, left, height), filesPane(walk, right, height)];
  const body = layers.map((line, at) => [
    ...padded(line, left),
    { text: " │ ", paint: "faint" as const },
    ...(files[at] ?? []),
  ]);
  const title = `${printable(walk.name)}   ${efficiencyText(walk.usage)}`;
  const lines: Span[][] = [
    [{ text: cut(title, size.columns), paint: "title" }],
    ...body,
    [{ text: cut(detail(walk), size.columns), paint: "none" }],
    [{ text: cut(KEYS, size.columns), paint: "faint" }],
  ];
  return fill(lines, size.rows).map((line) => paintLine(line, colours));
}

function layersPane(walk: Walk, width: number, height: number): Span[][] {
  const { layers } = walk.usage;
  const heading: Span[] = [{ text: cut("  #     SIZE   WASTED  INSTRUCTION", width), paint: "faint" }];
  if (layers.length === 0) return fill([heading, [{ text: "  no layers", paint: "none" }]], height);
  const room = height - 1;
  const first = scroll(walk.layer, layers.length, room);
  const lines = layers.slice(first, first + room).map((layer, at): Span[] => {
    const isChosen = first + at === walk.layer;
    return [{ text: cut(layerLine(layer, first + at), width), paint: paintOf(isChosen, walk.focus === "layers") }];
  });
  return fill([heading, ...lines], height);
}

function layerLine(layer: LayerReport, at: number): string {
  const number = `${at + 1}`.padStart(3);
  const sizes = [layer.bytes, layer.wastedBytes].map((bytes) => humanSize(bytes).padStart(7)).join("  ");
  return `${number}  ${sizes}  ${printable(layer.instruction ?? "")}`;
}

function filesPane(walk: Walk, width: number, height: number): Span[][] {
  const rows = treeRows(walk);
  const what = walk.shows === "changes" ? "what the layer changes" : "all files up to the layer";
  const heading: Span[] = [{ text: cut(`  MODE          SIZE  ${what}`, width), paint: "faint" }];
  if (rows.length === 0) return fill([heading, [{ text: "  nothing", paint: "none" }]], height);
  const room = height - 1;
  const first = scroll(walk.row, rows.length, room);
  const lines = rows.slice(first, first + room).map((row, at): Span[] => {
    const isChosen = first + at === walk.row;
    const text = cut(fileRow(row), width);
    const paint = isChosen && walk.focus === "files" ? "chosen" : row.node.mark === "same" ? "none" : row.node.mark;
    return [{ text, paint }];
  });
  return fill([heading, ...lines], height);
}

const MARKS: Readonly<Record<Mark, string>> = { same: " ", added: "A", changed: "C", deleted: "D" };

function fileRow({ node, depth, isOpen }: TreeRow): string {
  const sign = node.children === undefined ? " " : isOpen ? "-" : "+";
  const target = node.entry.link === undefined ? "" : ` -> ${printableName(node.entry.link)}`;
  const size = humanSize(node.bytes).padStart(7);
  return `${MARKS[node.mark]} ${modeText(node.entry)} ${size}  ${"  ".repeat(depth)}${sign} ${printableName(node.name)}${target}`;
}

/** All that did not fit in the chosen row. */
function detail(walk: Walk): string {
  if (walk.focus === "files") {
    const row = treeRows(walk)[walk.row];
    if (row === undefined) return "";
    const { uid, gid } = row.node.entry;
    return `${printableName(row.path)}  ${uid}:${gid}`;
  }
  const layer = walk.usage.layers[walk.layer];
  if (layer === undefined) return "";
  const files = `${layer.files} ${layer.files === 1 ? "file" : "files"}`;
  return `${layer.descriptor.digest.slice(0, 19)}  ${files}  ${printable(layer.instruction ?? "")}`;
}

/** The first shown of `count` rows so that the chosen one is in sight, in the middle where there is choice. */
function scroll(chosen: number, count: number, room: number): number {
  return Math.max(0, Math.min(chosen - Math.floor(room / 2), count - room));
}

function paintOf(isChosen: boolean, hasFocus: boolean): Paint {
  if (!isChosen) return "none";
  return hasFocus ? "chosen" : "title";
}

function padded(line: readonly Span[], width: number): Span[] {
  const used = line.reduce((sum, { text }) => sum + columns(text), 0);
  const paint = line.at(-1)?.paint === "chosen" ? "chosen" : "none";
  return [...line, { text: " ".repeat(Math.max(0, width - used)), paint }];
}

function fill(lines: readonly Span[][], height: number): Span[][] {
  return Array.from({ length: height }, (_, at) => lines[at] ?? []);
}

// Reverse video and bold are no colours: they stay with NO_COLOR (no-color.org).
const CODES: Readonly<Record<Exclude<Paint, "none">, string>> = {
  title: "\x1b[1m",
  chosen: "\x1b[7m",
  faint: "\x1b[2m",
  added: "\x1b[32m",
  changed: "\x1b[33m",
  deleted: "\x1b[31m",
};
const COLOURS: ReadonlySet<Paint> = new Set<Paint>(["added", "changed", "deleted"]);

function paintLine(line: readonly Span[], colours: boolean): string {
  return line
    .map(({ text, paint }) =>
      paint === "none" || text === "" || (COLOURS.has(paint) && !colours) ? text : `${CODES[paint]}${text}\x1b[0m`,
    )
    .join("");
}

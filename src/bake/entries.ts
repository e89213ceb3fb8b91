// Entries of a target that have attributes: caches, outputs, attestations, secrets and SSH agents, each written as one
// text with commas or as an object (buildx, util/buildflags).

import { BuildError } from "../../builder/core/errors.ts";
import { formatCsv, parseCsv, parsePairs } from "../cli/values/csv.ts";
import type { Value } from "./hcl/value.ts";
import { compareText, isMap, toList, toMap, toText } from "./hcl/value.ts";

/** A cache, an output or an attestation: its attributes in the order of their names, among them its type. */
export type Entry = ReadonlyMap<string, string>;

/** A secret: `id`, `src`, `env`, as far as they are there. */
export interface SecretEntry {
  readonly id: string;
  readonly src: string;
  readonly env: string;
}

export interface SshEntry {
  readonly id: string;
  readonly paths: readonly string[];
}

/** `type=registry,ref=x`, or names of registries' caches alone. Throws `USAGE`. */
export function parseCaches(text: string): readonly Entry[] {
  if (text === "") return [];
  if (!text.includes("="))
    return parseCsv(text, "cache").map((ref) => new Map(Object.entries({ ref, type: "registry" })));
  return [typed(entryOf(parsePairs(text, "cache")), `cache "${text}"`)];
}

/** `type=local,dest=x`, a folder alone, or "-". Throws `USAGE`. */
export function parseExports(text: string): readonly Entry[] {
  if (text === "") return [];
  if (text === "-") return [new Map(Object.entries({ dest: "-", type: "tar" }))];
  const [only, ...more] = parseCsv(text, "output");
  if (more.length === 0 && only === text && !text.startsWith("type="))
    return [new Map(Object.entries({ dest: text, type: "local" }))];
  return [typed(entryOf(parsePairs(text, "output")), `output "${text}"`)];
}

/** `type=provenance,mode=max`. Throws `USAGE`. */
export function parseAttests(text: string): readonly Entry[] {
  if (text === "") return [];
  return [typed(entryOf(parsePairs(text, "attest")), `attest "${text}"`)];
}

/** `id=x,src=FILE`. Throws `USAGE`. */
export function parseSecrets(text: string): readonly SecretEntry[] {
  if (text === "") return [];
  const fields = entryOf(parsePairs(text, "secret"));
  for (const key of fields.keys())
    if (!["type", "id", "src", "source", "env"].includes(key))
      throw new BuildError("USAGE", `secret: unexpected key "${key}" in "${text}"`);
  const [src, env] = [fields.get("source") ?? fields.get("src") ?? "", fields.get("env") ?? ""];
  const isVariable = fields.get("type") === "env" && env === "";
  return [{ id: fields.get("id") ?? "", src: isVariable ? "" : src, env: isVariable ? src : env }];
}

/** `default` or `id=path,path`. */
export function parseSsh(text: string): readonly SshEntry[] {
  if (text === "") return [];
  const [id = "", paths] = text.split(/=(.*)/s);
  return [{ id, paths: paths === undefined ? [] : paths.split(",") }];
}

/** Entries of a list whose items are texts or objects. Throws `CONFIG`, `USAGE`. */
export function entriesOf<T>(
  value: Value,
  parse: (text: string) => readonly T[],
  ofMap: (map: Entry) => T,
): readonly T[] {
  return toList(value).flatMap((item) => {
    if (!isMap(item)) return parse(item === null ? "" : toText(item));
    const filled = [...toMap(item)].flatMap(([key, field]): [string, string][] =>
      field === null ? [] : [[key, Array.isArray(field) ? field.map(toText).join(",") : toText(field as Value)]],
    );
    return [ofMap(new Map(filled))];
  });
}

/** An object with a type. Throws `CONFIG`. */
export function typed(entry: Entry, what: string): Entry {
  if ((entry.get("type") ?? "") === "") throw new BuildError("CONFIG", `${what}: the type is missing`);
  return new Map([...entry].toSorted(([a], [b]) => compareText(a, b)));
}

function entryOf(pairs: readonly { readonly key: string; readonly value: string }[]): Entry {
  return new Map(pairs.map(({ key, value }) => [key, value]));
}

/** An entry as a flag has it. */
export function entryText(entry: Entry): string {
  const rest = [...entry].filter(([key]) => key !== "type");
  return formatCsv([["type", entry.get("type") ?? ""], ...rest].map(([key, value]) => `${key}=${value}`));
}

/** A secret as a flag has it. */
export function secretText({ id, src, env }: SecretEntry): string {
  const fields = Object.entries({ id, src, env }).filter(([, value]) => value !== "");
  return formatCsv(fields.map(([key, value]) => `${key}=${value}`));
}

/** An agent as a flag has it. */
export function sshText({ id, paths }: SshEntry): string {
  return paths.length === 0 ? id : `${id}=${paths.join(",")}`;
}

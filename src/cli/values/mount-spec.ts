// `--volume`, `--mount` and `--tmpfs` of a run, with docker's spellings. What would need a store of volumes is refused.

import { isAbsolute, normalize, resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { readBoolean } from "./booleans.ts";
import { parseCsv } from "./csv.ts";
import { parseSize } from "./sizes.ts";

/** One mount: a folder or file of this machine, or a new file system in memory. Paths are absolute. */
export type MountSpec =
  | { readonly kind: "bind"; readonly source: string; readonly target: string; readonly readonly: boolean }
  | {
      readonly kind: "tmpfs";
      readonly target: string;
      readonly sizeBytes?: number;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly noexec?: boolean;
      readonly readonly?: boolean;
    };

const NO_VOLUMES = "there are no volumes here: name a folder, as ./data:/data, or use --tmpfs";

/** `-v HOST:PATH[:ro]`; HOST may be relative to the working directory if it begins with a dot. Throws `USAGE`. */
export function parseVolume(text: string): MountSpec {
  const [source = "", target, options = "", ...rest] = text.split(":");
  if (rest.length > 0) throw invalid("--volume", text, "it has too many parts", "write HOST:PATH[:ro]");
  if (target === undefined) throw invalid("--volume", text, "it names no place on this machine", NO_VOLUMES);
  if (!isAbsolute(source) && !source.startsWith("."))
    throw invalid("--volume", text, `"${source}" is the name of a volume`, NO_VOLUMES);
  let readonly = false;
  for (const option of options.split(",").filter((word) => word !== "")) {
    if (option === "ro" || option === "readonly") readonly = true;
    // The last three speak to Docker Desktop; the first two are how it is in any case.
    else if (!/^(rw|rprivate|private|consistent|cached|delegated)$/.test(option))
      throw invalid("--volume", text, `the option "${option}" is not supported`, "options are ro and rw");
  }
  return { kind: "bind", source: resolve(source), target: targetOf("--volume", text, target), readonly };
}

/** `--mount type=bind,source=HOST,target=PATH[,readonly]` and `--mount type=tmpfs,target=PATH[,tmpfs-size=N][,tmpfs-mode=N]`. Throws `USAGE`. */
export function parseMount(text: string): MountSpec {
  const fields = new Map<string, string | undefined>();
  for (const field of parseCsv(text, "--mount")) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase();
    fields.set(SYNONYMS.get(key) ?? key, equals < 0 ? undefined : field.slice(equals + 1).trim());
  }
  const type = fields.get("type") ?? "volume";
  if (type === "volume") throw invalid("--mount", text, "a volume is asked for", NO_VOLUMES);
  if (type !== "bind" && type !== "tmpfs")
    throw invalid("--mount", text, `type "${type}" is not supported`, "types are bind and tmpfs");
  const known = new Set([
    "type",
    "target",
    "readonly",
    ...(type === "bind" ? ["source"] : ["tmpfs-size", "tmpfs-mode"]),
  ]);
  for (const key of fields.keys())
    if (!known.has(key)) throw invalid("--mount", text, `"${key}" is not supported for type ${type}`, undefined);
  const target = targetOf("--mount", text, fields.get("target") ?? "");
  const readonly = isYes("--mount", text, "readonly", fields);
  if (type === "tmpfs") {
    const size = fields.get("tmpfs-size");
    const mode = fields.get("tmpfs-mode");
    return {
      kind: "tmpfs",
      target,
      readonly,
      ...(size === undefined ? {} : { sizeBytes: parseSize(size, "--mount tmpfs-size") }),
      ...(mode === undefined ? {} : { mode: octal("--mount", text, mode) }),
    };
  }
  const source = fields.get("source") ?? "";
  if (source === "") throw invalid("--mount", text, "it has no source", undefined);
  return { kind: "bind", source: resolve(source), target, readonly };
}

const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["src", "source"],
  ["dst", "target"],
  ["destination", "target"],
  ["ro", "readonly"],
]);

/** `--tmpfs PATH[:OPTIONS]`: options of tmpfs(5), and as docker does no programs unless "exec" is said. Throws `USAGE`. */
export function parseTmpfs(text: string): MountSpec {
  const colon = text.indexOf(":");
  const target = targetOf("--tmpfs", text, colon < 0 ? text : text.slice(0, colon));
  const words =
    colon < 0
      ? []
      : text
          .slice(colon + 1)
          .split(",")
          .filter((word) => word !== "");
  let spec: Extract<MountSpec, { kind: "tmpfs" }> = { kind: "tmpfs", target, noexec: true };
  for (const word of words) {
    const [, key = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(word) ?? [];
    if (key === "size") spec = { ...spec, sizeBytes: parseSize(value, "--tmpfs size") };
    else if (key === "mode") spec = { ...spec, mode: octal("--tmpfs", text, value) };
    else if (key === "uid" || key === "gid") spec = { ...spec, [key]: number("--tmpfs", text, value) };
    else if (word === "exec" || word === "noexec") spec = { ...spec, noexec: word === "noexec" };
    else if (word === "ro" || word === "rw") spec = { ...spec, readonly: word === "ro" };
    else if (word !== "nosuid" && word !== "nodev")
      throw invalid(
        "--tmpfs",
        text,
        `the option "${word}" is not supported`,
        "options are size, mode, uid, gid, exec, ro",
      );
  }
  return spec;
}

function targetOf(flag: string, text: string, target: string): string {
  if (!target.startsWith("/")) throw invalid(flag, text, "the path in the image must be absolute", undefined);
  const clean = normalize(target).replace(/(?<=.)\/+$/, "");
  if (clean === "/") throw invalid(flag, text, 'the path in the image cannot be "/"', undefined);
  return clean;
}

function isYes(flag: string, text: string, key: string, fields: ReadonlyMap<string, string | undefined>): boolean {
  if (!fields.has(key)) return false;
  const value = fields.get(key);
  const said = value === undefined ? true : readBoolean(value);
  if (said === undefined) throw invalid(flag, text, `"${key}=${value}" is neither true nor false`, undefined);
  return said;
}

function octal(flag: string, text: string, value: string): number {
  if (!/^[0-7]{1,4}$/.test(value)) throw invalid(flag, text, `the mode "${value}" is not octal`, undefined);
  return Number.parseInt(value, 8);
}

function number(flag: string, text: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw invalid(flag, text, `"${value}" is not an id`, undefined);
  return Number(value);
}

function invalid(flag: string, text: string, why: string, hint: string | undefined): BuildError {
  return new BuildError("USAGE", `${flag} "${text}": ${why}`, { hint });
}

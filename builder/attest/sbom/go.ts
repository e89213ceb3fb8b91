// Go's modules: those that programs were compiled with, and those that a go.mod or go.sum names.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Entry } from "../../layer/entry.ts";
import { readGoBuildInfo } from "./go-build-info.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";

const SUMS = /(?:^|\/)go\.sum$/;
const MODULES = /(?:^|\/)go\.mod$/;
/** The smallest Go program has more. */
const LEAST_PROGRAM_BYTES = 256 << 10;

export const go: Cataloger = {
  wants: (path: BytePath, entry: Entry) => SUMS.test(path) || MODULES.test(path) || isProgram(entry),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) => {
      if (SUMS.test(path)) return fromSums(files.text(path), path);
      return MODULES.test(path) ? fromModules(files.text(path), path) : fromProgram(files, path);
    }),
};

function isProgram({ mode, size }: Entry): boolean {
  return (mode & 0o111) !== 0 && size >= LEAST_PROGRAM_BYTES;
}

function fromProgram(files: ScannedFiles, path: BytePath): Software[] {
  const info = readGoBuildInfo((offset, length) => files.part(path, offset, length));
  if (info === undefined) return [];
  const [, release] = /^go(\d[\w.]*)/.exec(info.goVersion) ?? [];
  const modules = release === undefined ? info.modules : [...info.modules, { path: "stdlib", version: release }];
  return modules.map((module) => named(module.path, module.version, "the build information of a Go program", path));
}

/** `path version hash`; one of the go.mod alone says that the version was looked at, not that it is used. */
function fromSums(text: string, file: BytePath): Software[] {
  return text.split("\n").flatMap((line) => {
    const [path = "", version = ""] = line.split(" ");
    return path === "" || version === "" || version.endsWith("/go.mod") ? [] : [named(path, version, "go.sum", file)];
  });
}

/** `require` and `replace`, each in a line or in a block (Go Modules Reference, go.mod files). */
function fromModules(text: string, file: BytePath): Software[] {
  const required = new Map<string, string>();
  const replaced = new Map<string, readonly string[]>();
  let block: string | undefined;
  for (const whole of text.split("\n")) {
    const line = whole.replace(/\/\/.*$/, "").trim();
    const [, opened] = /^(\w+)\s*\($/.exec(line) ?? [];
    if (opened !== undefined) block = opened;
    if (line === ")") block = undefined;
    const words = (block === undefined ? line : `${block} ${line}`)
      .split(/\s+/)
      .map((word) => word.replaceAll(/["`]/g, ""));
    const [verb = "", path = ""] = words;
    const arrow = words.indexOf("=>");
    if (verb === "require" && /^v\d/.test(words[2] ?? "")) required.set(path, words[2] ?? "");
    if (verb === "replace" && arrow > 0) replaced.set(path, words.slice(arrow + 1));
  }
  return [...required].flatMap(([path, version]) => {
    const [otherPath, otherVersion] = replaced.get(path) ?? [path, version];
    // Replaced by a folder: what lies there says what it is.
    return otherVersion === undefined ? [] : [named(otherPath ?? path, otherVersion, "go.mod", file)];
  });
}

function named(path: string, version: string, from: string, file: BytePath): Software {
  const slash = path.lastIndexOf("/");
  const purl = formatPackageUrl({
    type: "golang",
    namespace: path.slice(0, Math.max(0, slash)),
    name: path.slice(slash + 1),
    version,
  });
  return { name: path, version, purl, from, evidence: [file] };
}

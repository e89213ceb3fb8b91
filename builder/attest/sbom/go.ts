// Go's modules: those that programs were compiled with, and those that a go.sum names.

import type { BytePath } from "../../core/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Entry } from "../../layer/entry.ts";
import { readGoBuildInfo } from "./go-build-info.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";

const SUMS = /(?:^|\/)go\.sum$/;
/** The smallest Go program has more. */
const LEAST_PROGRAM_BYTES = 256 << 10;

export const go: Cataloger = {
  wants: (path: BytePath, entry: Entry) => SUMS.test(path) || isProgram(entry),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) => (SUMS.test(path) ? fromSums(files.text(path), path) : fromProgram(files, path))),
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

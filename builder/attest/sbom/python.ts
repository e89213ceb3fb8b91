// Python's packages: what is installed (core metadata, PEP 566), and what lock files and
// requirements pin.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import { lockedPackages } from "./lock-tables.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";
import { parseStanzas } from "./stanzas.ts";

const INSTALLED = /(?:\.dist-info\/METADATA|\.egg-info\/PKG-INFO|\.egg-info)$/;
const PINNED = /(?:^|\/)(?:requirements[^/]*\.txt|poetry\.lock|uv\.lock|Pipfile\.lock)$/;

export const python: Cataloger = {
  wants: (path: BytePath) => INSTALLED.test(path) || PINNED.test(path),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) => (INSTALLED.test(path) ? installed(files, path) : pinned(files, path))),
};

function installed(files: ScannedFiles, path: BytePath): Software[] {
  const [fields = new Map<string, string>()] = parseStanzas(files.text(path));
  const name = fields.get("name") ?? "";
  const version = fields.get("version") ?? "";
  if (name === "" || version === "") return [];
  return [
    {
      ...named(name, version, "the metadata of an installed Python package", path),
      license: fields.get("license-expression") ?? shortLicense(fields.get("license")),
      maintainer: fields.get("author-email") ?? fields.get("author"),
      homepage: fields.get("home-page"),
      description: fields.get("summary"),
    },
  ];
}

function pinned(files: ScannedFiles, path: BytePath): Software[] {
  const file = baseOf(path);
  const text = files.text(path);
  const pins = file === "Pipfile.lock" ? fromPipfile(text) : file.endsWith(".txt") ? fromRequirements(text) : undefined;
  const all = pins ?? lockedPackages(text).map(({ name, version }) => [name, version]);
  return all
    .filter(([name, version]) => name !== "" && version !== "")
    .map(([name = "", version = ""]) => named(name, version, file, path));
}

/** `name[extras]==version ; markers`: only what is pinned to one version says what is there. */
function fromRequirements(text: string): string[][] {
  return text.split("\n").flatMap((line) => {
    const [, name = "", version = ""] =
      /^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;#,*\\]+)\s*(?:[;#\\].*|\s--.*)?$/.exec(line) ?? [];
    return name === "" ? [] : [[name, version]];
  });
}

function fromPipfile(text: string): string[][] {
  const lock: unknown = JSON.parse(text);
  if (typeof lock !== "object" || lock === null) return [];
  return ["default", "develop"].flatMap((group) => {
    const packages: unknown = Reflect.get(lock, group);
    if (typeof packages !== "object" || packages === null) return [];
    return Object.entries(packages).flatMap(([name, fields]: [string, unknown]) => {
      const version: unknown =
        typeof fields === "object" && fields !== null ? Reflect.get(fields, "version") : undefined;
      return typeof version === "string" && version.startsWith("==") ? [[name, version.slice(2)]] : [];
    });
  });
}

/** Package URLs have names in the form of PEP 503. */
function named(name: string, version: string, from: string, path: BytePath): Software {
  const normal = name.toLowerCase().replaceAll(/[-_.]+/g, "-");
  const purl = formatPackageUrl({ type: "pypi", name: normal, version });
  return { name, version, purl, from, evidence: [path] };
}

/** Some put the whole text of a licence there. */
function shortLicense(text: string | undefined): string | undefined {
  return text === undefined || text === "UNKNOWN" || text.includes("\n") || text.length > 100 ? undefined : text;
}

// Node's packages: what lies in node_modules, and what the lock files of npm (package-lock-json), yarn, pnpm and bun name.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import { bunPackages } from "./bun-lock.ts";
import type { JsonFields } from "./json-fields.ts";
import { asList, asObject, textOf } from "./json-fields.ts";
import type { LockedPackage } from "./lock-tables.ts";
import { pnpmPackages } from "./pnpm-lock.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";
import { yarnPackages } from "./yarn-lock.ts";

const INSTALLED = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/;
/** node_modules/.package-lock.json says what lies beside it once more. */
const LOCK = /(?:^|\/)(?:package-lock|npm-shrinkwrap)\.json$/;

/** Locks that are not JSON. */
const OTHER_LOCKS: Readonly<Record<string, (text: string) => readonly LockedPackage[]>> = {
  "yarn.lock": yarnPackages,
  "pnpm-lock.yaml": pnpmPackages,
  "bun.lock": bunPackages,
};

export const npm: Cataloger = {
  wants: (path: BytePath) => LOCK.test(path) || INSTALLED.test(path) || Object.hasOwn(OTHER_LOCKS, baseOf(path)),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) => {
      const file = baseOf(path);
      const others = OTHER_LOCKS[file]?.(files.text(path));
      if (others !== undefined) return others.map(({ name, version }) => named(name, version, file, path));
      const json = asObject(JSON.parse(files.text(path)));
      return INSTALLED.test(path) ? installed(json, path) : locked(json, path);
    }),
};

function installed(json: JsonFields, path: BytePath): Software[] {
  const name = textOf(json["name"]);
  const version = textOf(json["version"]);
  // Folders of a package may have a package.json that only says how to load them.
  if (name === "" || version === "") return [];
  const author = json["author"];
  return [
    {
      ...named(name, version, "a package.json in node_modules", path),
      license: licenseOf(json),
      maintainer: textOf(author) || textOf(asObject(author)["name"]) || undefined,
      homepage: textOf(json["homepage"]) || undefined,
      description: textOf(json["description"]) || undefined,
    },
  ];
}

function locked(json: JsonFields, path: BytePath): Software[] {
  const packages = Object.entries(asObject(json["packages"]));
  // Version 1 has no "packages"; version 2 has both.
  return packages.length > 0 ? lockedPaths(packages, path) : lockedTree(asObject(json["dependencies"]), path);
}

function lockedPaths(packages: readonly (readonly [string, unknown])[], path: BytePath): Software[] {
  return packages.flatMap(([place, value]): Software[] => {
    const fields = asObject(value);
    const folder = place.lastIndexOf("node_modules/");
    const version = textOf(fields["version"]);
    if (folder < 0 || version === "" || fields["link"] === true) return [];
    const name = textOf(fields["name"]) || place.slice(folder + "node_modules/".length);
    return [{ ...named(name, version, "package-lock.json", path), license: licenseOf(fields) }];
  });
}

function lockedTree(dependencies: JsonFields, path: BytePath): Software[] {
  const found: Software[] = [];
  const stack = [dependencies];
  for (let level = stack.pop(); level !== undefined; level = stack.pop()) {
    for (const [name, value] of Object.entries(level)) {
      const fields = asObject(value);
      const version = textOf(fields["version"]);
      if (/^\d/.test(version)) found.push(named(name, version, "package-lock.json", path));
      if (fields["dependencies"] !== undefined) stack.push(asObject(fields["dependencies"]));
    }
  }
  return found;
}

function named(name: string, version: string, from: string, path: BytePath): Software {
  const slash = name.startsWith("@") ? name.indexOf("/") : -1;
  const namespace = slash < 0 ? undefined : name.slice(0, slash);
  const purl = formatPackageUrl({ type: "npm", namespace, name: name.slice(slash + 1), version });
  return { name, version, purl, from, evidence: [path] };
}

/** A text; in old packages also `{ type }`, or a list of those under `licenses`. */
function licenseOf(json: JsonFields): string | undefined {
  const { license, licenses } = json;
  const one = textOf(license) || textOf(asObject(license)["type"]);
  if (one !== "") return one;
  const several = asList(licenses).map((each) => textOf(each) || textOf(asObject(each)["type"]));
  return several.filter((each) => each !== "").join(" OR ") || undefined;
}

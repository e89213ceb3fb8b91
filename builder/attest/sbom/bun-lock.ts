// What a bun.lock names: JSON with commas that JSON does not have, one package a line below "packages"
// (bun, docs/pm/lockfile.mdx): `"key": ["name@version", …]`.

import type { LockedPackage } from "./lock-tables.ts";

/** The packages that come from a registry, not those of the project, of git or of folders. */
export function bunPackages(text: string): readonly LockedPackage[] {
  const packages = text.slice(Math.max(0, text.indexOf('\n  "packages": {')));
  return [...packages.matchAll(PACKAGE)].map(([, name = "", version = ""]) => ({ name, version }));
}

const PACKAGE = /^ {4}"[^"]+": \["((?:@[^@"/]+\/)?[^@"/]+)@(\d[^"]*)"/gm;

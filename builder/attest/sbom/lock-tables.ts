// The packages of lock files in TOML: Cargo.lock, poetry.lock and uv.lock have the same list.

import { parse } from "smol-toml";

/** A package that a lock file names. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
}

/** The tables `[[package]]` that have a name and a version. Throws when the text is no TOML. */
export function lockedPackages(text: string): readonly LockedPackage[] {
  const packages: unknown = parse(text)["package"];
  if (!Array.isArray(packages)) return [];
  return packages.flatMap((table: unknown): LockedPackage[] => {
    if (typeof table !== "object" || table === null || !("name" in table) || !("version" in table)) return [];
    const { name, version } = table;
    return typeof name === "string" && typeof version === "string" ? [{ name, version }] : [];
  });
}

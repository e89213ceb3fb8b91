// What a pnpm-lock.yaml names (pnpm/spec, lockfile): the keys of its section `packages`, as pnpm writes them, one a line.
//   5  /name/1.0.0_peers:    6  /name@1.0.0(peers):    9  name@1.0.0:
// What comes from elsewhere than a registry has a name and a version among its fields.

import type { LockedPackage } from "./lock-tables.ts";

/** The packages, each as often as it stands there (with other peers). */
export function pnpmPackages(text: string): readonly LockedPackage[] {
  const found: { key: string; name?: string; version?: string }[] = [];
  let isInside = false;
  for (const line of text.split(/\r?\n/)) {
    if (/^\S/.test(line)) isInside = line === "packages:";
    if (!isInside) continue;
    const [, key] = /^ {2}(\S.*):$/.exec(line) ?? [];
    if (key !== undefined) found.push({ key: unquoted(key) });
    const [, field, value = ""] = /^ {4}(name|version): (.+)$/.exec(line) ?? [];
    const last = found.at(-1);
    if (last !== undefined && field === "name") last.name = unquoted(value);
    if (last !== undefined && field === "version") last.version = unquoted(value);
  }
  return found.flatMap(({ key, ...said }): LockedPackage[] => {
    const [name = "", version = ""] = partsOf(key);
    const { name: saidName = name, version: saidVersion = version } = said;
    return saidName === "" || !/^\d/.test(saidVersion) ? [] : [{ name: saidName, version: saidVersion }];
  });
}

function partsOf(key: string): readonly string[] {
  const plain = key.replace(/\(.*$/, "");
  const old = /^\/((?:@[^/]+\/)?[^/@]+)\/(\d[^/_]*)(?:_.*)?$/.exec(plain);
  return (old ?? /^\/?(@?[^@]+)@(.+)$/.exec(plain) ?? []).slice(1);
}

function unquoted(text: string): string {
  return text.replace(/^(['"])(.*)\1$/, "$2");
}

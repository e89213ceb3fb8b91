// What the files may do on this machine without being asked about: read and write below the working directory. More is
// permitted by --allow (buildx, bake/entitlements.go).

import { realpathSync } from "node:fs";
import { dirname, isAbsolute, join, resolve, sep } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import type { Environment } from "../config/environment.ts";
import { dockerfilePath, localPath } from "./paths.ts";
import type { Target } from "./target.ts";

/** What `--allow` permits. */
export interface Entitlements {
  /** "network.host", "security.insecure". */
  readonly names: ReadonlySet<string>;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly ssh: boolean;
}

const NAMES = new Set(["network.host", "security.insecure"]);
const EVERYWHERE = "*";

/** Reads the flags; what lies in `unpacked` came with the definition. Throws `USAGE`. */
export function parseEntitlements(
  values: readonly string[],
  environment: Environment,
  unpacked: readonly string[] = [],
): Entitlements {
  const [names, read, write] = [new Set<string>(), [process.cwd(), ...unpacked], [process.cwd()]];
  let ssh = false;
  for (const value of values.flatMap((text) => text.split(","))) {
    const [key = "", path] = value.split(/=(.*)/s);
    if (NAMES.has(key)) names.add(key);
    else if (key === "ssh") ssh = true;
    else if (path !== undefined && ["fs", "fs.read", "fs.write"].includes(key)) {
      if (key !== "fs.write") read.push(path);
      if (key !== "fs.read") write.push(path);
    } else if (key !== "buildx.local.delete")
      throw new BuildError("USAGE", `--allow: invalid entitlement "${value}"`, {
        hint: "entitlements are network.host, security.insecure, ssh, fs=PATH, fs.read=PATH and fs.write=PATH",
      });
    else names.add(key);
  }
  if (/^(0|f|false)$/i.test(environment["BUILDX_BAKE_ENTITLEMENTS_FS"] ?? "")) {
    read.push(EVERYWHERE);
    write.push(EVERYWHERE);
  }
  return { names, read, write, ssh };
}

/** Throws `USAGE` naming the flags that are missing for what these targets ask. */
export function requireEntitled(targets: ReadonlyMap<string, Target>, entitlements: Entitlements): void {
  const missing = new Set<string>();
  for (const target of targets.values()) {
    for (const name of target.entitlements ?? []) if (!entitlements.names.has(name)) missing.add(name);
    for (const path of readPaths(target)) if (!isBelow(path, entitlements.read)) missing.add(`fs.read=${path}`);
    for (const path of writtenPaths(target)) if (!isBelow(path, entitlements.write)) missing.add(`fs.write=${path}`);
  }
  if (missing.size === 0) return;
  const list = [...missing];
  throw new BuildError("USAGE", `additional privileges requested: ${list.join(", ")}`, {
    hint: `permit them with ${list.map((each) => `--allow=${each}`).join(" ")}`,
  });
}

function readPaths(target: Target): readonly string[] {
  const { context = ".", contexts, dockerfile = "Dockerfile", secret, "cache-from": caches } = target;
  const folder = localPath(context);
  const folders = [context, ...(contexts?.values() ?? [])].flatMap((text) => localPath(text) ?? []);
  const file = dockerfilePath(dockerfile, folder);
  if (folder === undefined ? isAbsolute(file) : !isBelow(file, [folder])) folders.push(file);
  const files = (secret ?? []).map(({ src }) => src).filter((src) => src !== "");
  return [...folders, ...files, ...(caches ?? []).flatMap((cache) => cache.get("src") ?? [])];
}

function writtenPaths({ output, "cache-to": caches }: Target): readonly string[] {
  const outputs = (output ?? []).flatMap((entry) => entry.get("dest") ?? []).filter((path) => path !== "-");
  return [...outputs, ...(caches ?? []).flatMap((cache) => cache.get("dest") ?? [])];
}

function isBelow(path: string, folders: readonly string[]): boolean {
  const real = realPath(resolve(path));
  return folders.some((folder) => {
    if (folder === EVERYWHERE) return true;
    const root = realPath(resolve(folder));
    return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
  });
}

/** Without links, as far as the path exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), path.slice(parent.length).replace(/^\/+/, ""));
  }
}

// Where results of steps come from and go to beside the local store: --cache-from, --cache-to, BUILDKIT_INLINE_CACHE.

import type { CacheFrom, CacheTo } from "../../../builder/cache-request.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";

export interface Caches {
  readonly cacheFrom: readonly CacheFrom[];
  readonly cacheTo: readonly CacheTo[];
  /** Registries that a cache asked to reach without TLS or its check. */
  readonly insecureRegistries: readonly string[];
}

/** The caches of a build; `environment`: for what they leave open. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`. */
export async function readCaches(
  args: Arguments,
  buildArgs: ReadonlyMap<string, string>,
  environment: Environment,
): Promise<Caches> {
  const from = listOf(args, "cache-from").filter((text) => text !== "");
  const to = listOf(args, "cache-to").filter((text) => text !== "");
  if (readBoolean(buildArgs.get("BUILDKIT_INLINE_CACHE") ?? "") === true && !to.includes("type=inline"))
    to.push("type=inline");
  if (from.length + to.length === 0) return { cacheFrom: [], cacheTo: [], insecureRegistries: [] };
  const { parseCacheFrom, parseCacheTo } = await import("./cache-spec.ts");
  const imports = await Promise.all(from.map((text) => parseCacheFrom(text, environment)));
  const exports = await Promise.all(to.map((text) => parseCacheTo(text, environment)));
  return {
    cacheFrom: imports.map(({ cache }) => cache),
    cacheTo: exports.map(({ cache }) => cache),
    insecureRegistries: [...imports, ...exports].flatMap(({ insecureRegistry = [] }) => insecureRegistry),
  };
}

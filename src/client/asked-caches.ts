// Caches of a request as a daemon is asked for them. Folders are this side's: a daemon reads and writes them as content
// stores.

import type { CacheFrom, CacheLook, CacheTo } from "../../builder/cache-request.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { BuildRequest } from "../../builder/request.ts";
import type { Draft } from "./asked.ts";
import { bucketAttrs } from "./asked-buckets.ts";
import { descriptorIn } from "./exporter-response.ts";

interface CacheEntry {
  readonly type: string;
  readonly attrs: ReadonlyMap<string, string>;
}

/** Throws `UNSUPPORTED` for several caches that are written into folders: a daemon says what one of them is. */
export async function cachesOf(
  request: BuildRequest,
  draft: Draft,
): Promise<{ readonly imports: readonly CacheEntry[]; readonly exports: readonly CacheEntry[] }> {
  const imports: CacheEntry[] = [];
  for (const cache of request.cacheFrom ?? []) {
    const entry = await importOf(cache, request, draft);
    if (entry !== undefined) imports.push(entry);
  }
  const folders = (request.cacheTo ?? []).filter(({ type }) => type === "local");
  if (folders.length > 1)
    throw new BuildError("UNSUPPORTED", "a daemon writes one cache into a folder at a time", {
      hint: "give --cache-to type=local once",
    });
  const exports: CacheEntry[] = [];
  for (const cache of request.cacheTo ?? []) exports.push(await exportOf(cache, draft));
  return { imports, exports };
}

/** Undefined for a folder in which there is nothing yet. */
async function importOf(
  cache: CacheFrom,
  { events }: BuildRequest,
  { stores, held }: Draft,
): Promise<CacheEntry | undefined> {
  if (cache.type === "registry") {
    const attrs = new Map([["ref", cache.reference]]);
    if (cache.mounts !== undefined) attrs.set("mounts", cache.mounts);
    return { type: "registry", attrs };
  }
  if (cache.type === "client") throw new BuildError("INTERNAL", "a cache of another client");
  if (cache.type !== "local") return { type: cache.type, attrs: bucketAttrs(cache) };
  const { imageInLayout, offerLayout } = await import("../../builder/offered-layout.ts");
  const { path, tag } = cache;
  const digest = cache.digest ?? (await imageInLayout(path, tag))?.digest;
  if (digest === undefined) {
    events({ kind: "warning", message: `there is no cache in "${path}" yet` });
    return undefined;
  }
  const id = storeId(path);
  if (!stores.has(id)) stores.set(id, held.use(offerLayout(path, "tags")));
  const attrs = new Map([
    ["src", path],
    ["digest", digest],
  ]);
  return { type: "local", attrs };
}

async function exportOf(cache: CacheTo, draft: Draft): Promise<CacheEntry> {
  const { type } = cache;
  const failure = new Map([["ignore-error", String(cache.ignoreError)]]);
  switch (type) {
    case "inline":
      return { type, attrs: failure };
    case "registry":
      return { type, attrs: new Map([...failure, ...lookAttrs(cache), ["ref", cache.reference]]) };
    case "local":
      await folderCache(cache.path, cache.tag ?? "latest", draft);
      return { type, attrs: new Map([...failure, ...lookAttrs(cache), ["dest", cache.path]]) };
    case "gha":
    case "s3":
    case "azblob":
      return { type, attrs: new Map([...failure, ...bucketAttrs(cache), ["mode", cache.mode]]) };
    case "client":
      throw new BuildError("INTERNAL", "a cache of another client");
  }
}

/** The daemon writes blobs, and says which of them the cache is: this side lists it under its tag. */
async function folderCache(path: string, tag: string, { stores, held, finish }: Draft): Promise<void> {
  const { offerLayout } = await import("../../builder/offered-layout.ts");
  const layout = stores.get(storeId(path)) ?? held.use(offerLayout(path, "tags"));
  stores.set(storeId(path), layout);
  finish.push(async (response) => {
    const manifest = descriptorIn(response, "cache.manifest", "utf8");
    // None where it could not be written, which the daemon has told.
    if (manifest !== undefined) await layout.list(manifest, [tag]);
  });
}

function lookAttrs(cache: CacheLook): ReadonlyMap<string, string> {
  const attrs = new Map([
    ["mode", cache.mode],
    ["image-manifest", String(cache.imageManifest)],
    ["oci-mediatypes", String(cache.ociMediaTypes)],
  ]);
  if (cache.compression !== undefined) attrs.set("compression", cache.compression);
  if (cache.level !== undefined) attrs.set("compression-level", String(cache.level));
  if (cache.forceCompression) attrs.set("force-compression", "true");
  if (cache.mounts === "max") attrs.set("mounts", "max");
  return attrs;
}

function storeId(path: string): string {
  return `local:${path}`;
}

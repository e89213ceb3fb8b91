// The cache inside an image: its config carries the records, and the image's own layers are the cache's.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { INLINE_CACHE } from "../../image/config.ts";
import { parseConfig } from "../../image/read.ts";
import type { ImageManifest } from "../../image/manifest.ts";
import type { ImageSource } from "../../transport/source.ts";
import { layerAnnotations } from "./annotations.ts";
import { parseInlineRecords } from "./config.ts";
import type { ReadCache } from "./document.ts";
import { readSmallBlob } from "./document.ts";

/** The cache that an image carries, if it does. */
export async function readInlineCache(
  source: ImageSource,
  manifest: ImageManifest,
  signal: AbortSignal,
): Promise<ReadCache | undefined> {
  if (manifest.layers.length === 0) return undefined;
  const what = `the config of ${source.name}`;
  const bytes = await readSmallBlob(source, manifest.config, signal);
  const cache = recordsIn(bytes);
  if (cache === undefined) return undefined;
  const { rootfs, history = [] } = parseConfig(bytes, what);
  if (rootfs.diff_ids.length !== manifest.layers.length) return undefined;
  const created = history.filter(({ empty_layer: isEmpty }) => isEmpty !== true).map((entry) => entry.created);
  const layers = new Map<Digest, Descriptor>();
  for (const [at, layer] of manifest.layers.entries()) {
    const diffId = rootfs.diff_ids[at];
    if (diffId === undefined) continue;
    layers.set(layer.digest, {
      ...layer,
      annotations: { ...layer.annotations, ...layerAnnotations({ diffId, createdAt: created[at] }) },
    });
  }
  const config = parseInlineRecords(
    cache,
    manifest.layers.map(({ digest }) => digest),
    `the cache in ${what}`,
  );
  return { config, layers };
}

/** Base64 of their JSON, as Go writes bytes. */
function recordsIn(config: Uint8Array): Uint8Array | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(config).toString("utf8"));
  } catch {
    return undefined; // no image of ours to judge
  }
  const text =
    typeof json === "object" && json !== null
      ? (Object.getOwnPropertyDescriptor(json, INLINE_CACHE)?.value as unknown)
      : undefined;
  return typeof text === "string" && text !== "" ? Buffer.from(text, "base64") : undefined;
}

// The files of an image's layers, for a rootfs that is made of them. What the store has only as a blob is unpacked beside
// the rootfs, while it is downloaded where it must be; the rootfs then takes these files over.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import type { ContentSource } from "../layer/entry.ts";
import type { StoredLayer } from "../snapshot/ref.ts";

/** A layer whose files can be read. */
export type FileLayer = Pick<StoredLayer, "index" | "sources">;

/** Every layer's files, at once; what is unpacked goes below `directory`, a new one. All work on it has ended when this throws. */
export async function unpackLayers(
  layers: readonly StoredLayer[],
  directory: string,
  signal: AbortSignal,
): Promise<FileLayer[]> {
  mkdirSync(directory, { mode: 0o700 });
  const stopped = new AbortController();
  const either = AbortSignal.any([signal, stopped.signal]);
  const failures: unknown[] = [];
  const made = layers.map(async (layer, place): Promise<FileLayer> => {
    if (layer.hasDirectory()) return layer;
    try {
      return await unpackLayer(layer, join(directory, String(place)), either);
    } catch (error) {
      failures.push(error);
      stopped.abort();
      throw error;
    }
  });
  await Promise.allSettled(made);
  if (failures.length > 0) throw failures[0];
  return await Promise.all(made);
}

async function unpackLayer(layer: StoredLayer, directory: string, signal: AbortSignal): Promise<FileLayer> {
  await layer.unpackTo(directory, signal);
  const root = bytePath(directory);
  return {
    index: (indexSignal) => layer.index(indexSignal),
    sources: (paths) =>
      Promise.resolve(new Map(paths.map((path): [string, ContentSource] => [path, { kind: "path", path: `${root}/${path}` }]))), // prettier-ignore
  };
}

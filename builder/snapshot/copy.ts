// The copy way: all layers written as one plain tree, compared with itself afterwards. It
// costs a copy of the rootfs a step, and works on every file system.

import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { SourcedEntry } from "../layer/entry.ts";
import { RootfsView } from "../layer/view/view.ts";
import { mergedDirectories } from "./merged-directories.ts";
import type { LayerPlace } from "./ports.ts";
import type { StoredLayer } from "./ref.ts";
import { rootDirectory, setRoot } from "./root-directory.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { SharedFileChanged } from "./snapshotter.ts";

/** Makes trees in the place's work directory; what changed moves from there by rename. */
export function copySnapshotter(place: LayerPlace): Snapshotter {
  const { jobs, overlayXattrs } = place;
  return {
    kind: "copy",
    async prepare(layers, writable, signal, apart = []) {
      const base = join(place.workDirectory, randomUUID());
      const [directory, baselineFile] = [join(base, "root"), join(base, "baseline")];
      const remove = (): Promise<void> => rm(base, { recursive: true, force: true });
      const indexes = await Promise.all(layers.map((layer) => layer.index(signal)));
      mkdirSync(base, { mode: 0o700 });
      try {
        await jobs.plain(
          { entries: await mergedEntries(layers, signal), directory, overlayXattrs, baselineFile, apart },
          signal,
        );
        setRoot(directory, rootDirectory(layers, writable));
      } catch (error) {
        await remove();
        throw error;
      }
      return {
        root: { kind: "directory", path: directory, readonly: !writable, merged: () => mergedDirectories(indexes) },
        async freeze(skipped, freezeSignal) {
          const outDirectory = join(base, "changes");
          const { index, shared } = await jobs.changes(
            { directory, baselineFile, outDirectory, overlayXattrs, ...skipped },
            freezeSignal,
          );
          if (shared.length > 0) throw new SharedFileChanged(shared);
          return { directory: outDirectory, index: () => Promise.resolve(index) };
        },
        [Symbol.asyncDispose]: remove,
      };
    },
  };
}

/** All layers as one tree, and where the bytes of its files are. */
export async function mergedEntries(
  layers: readonly Pick<StoredLayer, "index" | "sources">[],
  signal: AbortSignal,
): Promise<SourcedEntry[]> {
  const view = new RootfsView(
    await Promise.all(
      layers.map(async (layer) => ({
        entries: await layer.index(signal),
        sources: (paths: readonly string[]) => layer.sources(paths, signal),
      })),
    ),
  );
  const entries = view.entries();
  const sources = await view.sources(
    entries.filter(({ type }) => type === "file").map(({ path }) => path),
    signal,
  );
  return entries.map((entry): SourcedEntry => {
    const source = entry.type === "file" ? sources.get(entry.path) : undefined;
    return source === undefined ? { entry } : { entry, source };
  });
}

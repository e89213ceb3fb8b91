// When a source was made: what SOURCE_DATE_EPOCH means where it names one (BuildKit, docs/build-repro.md).

import type { Engine } from "../../engine.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { RootfsView } from "../../layer/view/view.ts";
import type { SourceTrees, TreeSource } from "./source-trees.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { vertex } from "../../graph/vertex.ts";

/** In seconds since the epoch: a commit's time, a download's Last-Modified, else the newest file of an archive. Undefined for folders, images, and files of which nobody says their time. */
export async function sourceSeconds(
  source: Vertex,
  trees: SourceTrees,
  engine: Engine,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { op, options } = source;
  if (op.kind !== "source" || op.source.type === "image") return undefined;
  switch (op.source.type) {
    case "local":
      return undefined;
    case "git": {
      const dated = { ...op.source, mtime: "commit" } as const satisfies TreeSource;
      const tree = await trees.tree(dated, vertex({ kind: "source", source: dated }, [], options).digest);
      return toSeconds(tree.lstat("")?.mtimeNs);
    }
    case "http": {
      const { lastModified, path } = await trees.httpFile(op.source, source.digest);
      if (lastModified !== undefined) return Math.floor(lastModified / 1000);
      const { isArchive, openArchive } = await import("../../source/archive.ts");
      if (!isArchive(path)) return undefined;
      return newestFile(await openArchive(path, engine.jobs, engine.layers.place.workDirectory, signal));
    }
    case "archive": {
      const lastModified = trees.archiveTime(op.source.name);
      if (lastModified !== undefined) return Math.floor(lastModified / 1000);
      return newestFile(await trees.tree(op.source, source.digest));
    }
  }
}

function newestFile(tree: FileTree): number | undefined {
  if (!(tree instanceof RootfsView)) return undefined;
  const times = tree.entries().flatMap(({ type, mtimeNs }) => (type === "file" ? [mtimeNs] : []));
  return toSeconds(
    times.reduce<bigint | undefined>((newest, time) => (time > (newest ?? time - 1n) ? time : newest), undefined),
  );
}

function toSeconds(timeNs: bigint | undefined): number | undefined {
  return timeNs === undefined ? undefined : Number(timeNs / 1_000_000_000n);
}

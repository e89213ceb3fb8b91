// From the solved graph of a build to the records that travel: BuildKit's keys of each vertex, linked as its exporter
// links them (solver/exporter.go), with the results that are wanted.

import type { Digest } from "../../core/digest.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import type { VertexKeys } from "../buildkit/vertex-keys.ts";
import { recordDigest } from "../buildkit/vertex-keys.ts";
import type { Collector, Item, ItemLink, ItemResult } from "./collector.ts";

/** What the exporter asks of the build. */
export interface ExportWorld {
  /** The files of a vertex, if it was solved: nothing runs for a cache. */
  tree(vertex: Vertex): Promise<FileTree | undefined>;
  /** The layers of a vertex's result, if they are to travel. */
  result(vertex: Vertex): Promise<ItemResult | undefined>;
}

/** Adds the records of all vertices that the targets need. */
export async function collectRecords(
  targets: readonly Vertex[],
  keys: VertexKeys,
  world: ExportWorld,
  collector: Collector,
  signal: AbortSignal,
): Promise<void> {
  const items = new Map<Digest, readonly Item[]>();
  for (const vertex of topological(targets)) {
    signal.throwIfAborted();
    const { digests, dependencies } = keys.map(vertex);
    if (vertex.op.kind === "source") {
      items.set(
        vertex.digest,
        digests.map((digest) => collector.add(recordDigest(digest, 0))),
      );
      continue;
    }
    const inputs: (readonly ItemLink[])[] = [];
    for (const [number, { input = -1, step, selector = "", content }] of dependencies.entries()) {
      const from = vertex.inputs[input];
      const roots = step === undefined ? [] : [collector.add(recordDigest(step, 0))];
      const known = from === undefined ? roots : (items.get(from.digest) ?? []);
      const links = known.map((item): ItemLink => ({ selector, item }));
      const tree = content === undefined || from === undefined ? undefined : await world.tree(from);
      const record =
        tree === undefined ? undefined : await keys.contentRecord(vertex, number, () => Promise.resolve(tree), signal);
      if (record !== undefined) links.push({ selector: "", item: collector.add(record) });
      inputs.push(links);
    }
    // Without a way to all of its inputs nobody would find it.
    if (inputs.some((links) => links.length === 0)) {
      items.set(vertex.digest, []);
      continue;
    }
    const result = await world.result(vertex);
    items.set(
      vertex.digest,
      digests.map((digest) => collector.add(recordDigest(digest, 0), inputs, result)),
    );
  }
}

// Which layers of an image are whose: what each vertex that the result stands on had when
// it was done.

import type { Digest } from "../core/digest.ts";
import { standsOn } from "./op.ts";
import type { Vertex } from "./vertex.ts";
import { topological } from "./vertex.ts";

/** A part of a list of layers: the first one's number, and the number behind the last one. */
export interface LayerRange {
  readonly start: number;
  readonly end: number;
}

/** What an image in the graph has, by the id of its source op. */
export type CountOfImage = (id: string) => number | undefined;

/**
 * The layers of each vertex that the result is built upon, by digest. `squashedFrom`: the layers from there on have become
 * one, so only the result itself has them. Vertices of which it cannot be said are left out.
 */
export function layerRanges(
  result: Vertex,
  total: number,
  layersOfImage: CountOfImage,
  squashedFrom = total,
): ReadonlyMap<Digest, LayerRange> {
  const counts = layerCounts(result, layersOfImage);
  const found = new Map<Digest, LayerRange>();
  const stack = [{ vertex: result, start: 0 }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { vertex, start } = top;
    const count = counts.get(vertex.digest);
    if (found.has(vertex.digest)) continue;
    if (vertex === result) found.set(vertex.digest, { start: 0, end: total });
    else if (count !== undefined && count > 0 && start + count <= squashedFrom)
      found.set(vertex.digest, { start, end: start + count });
    let at = start;
    for (const input of below(vertex)) {
      stack.push({ vertex: input, start: at });
      const size = counts.get(input.digest);
      if (size === undefined) break;
      at += size;
    }
  }
  return found;
}

/** The number of layers below which nothing is new: those of the image that the result stands on, 0 without one. */
export function baseLayerCount(result: Vertex, layersOfImage: CountOfImage): number {
  let vertex: Vertex | undefined = result;
  while (vertex !== undefined) {
    const { op }: Vertex = vertex;
    if (op.kind === "source") return (op.source.type === "image" ? layersOfImage(op.source.id) : undefined) ?? 0;
    [vertex] = below(vertex);
  }
  return 0;
}

function layerCounts(result: Vertex, layersOfImage: CountOfImage): ReadonlyMap<Digest, number> {
  const counts = new Map<Digest, number>();
  for (const vertex of topological([result])) {
    const { op, inputs } = vertex;
    const of = (number: number): number => counts.get(inputs[number]?.digest ?? vertex.digest) ?? Number.NaN;
    let count = Number.NaN;
    switch (op.kind) {
      case "source":
        count = op.source.type === "image" ? (layersOfImage(op.source.id) ?? Number.NaN) : 1;
        break;
      case "exec":
      case "file":
        count = standsOn(op, inputs.length).reduce((sum, number) => sum + of(number), 1);
        break;
      case "merge":
        count = inputs.reduce((sum, _, number) => sum + of(number), 0);
        break;
      case "diff":
        count = of(1) - of(0);
    }
    if (count >= 0) counts.set(vertex.digest, count);
  }
  return counts;
}

/** What a vertex's layers stand on or are made of, bottom first. A difference stands on nothing. */
function below({ op, inputs }: Vertex): readonly Vertex[] {
  return standsOn(op, inputs.length).flatMap((number) => inputs[number] ?? []);
}

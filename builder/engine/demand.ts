// Which form of each result somebody downstream wants, known before anything runs:
// directories for RUN and folders, blobs for images.

import type { Digest } from "../core/digest.ts";
import { standsOn } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import { topological } from "../graph/vertex.ts";
import type { BuildRequest } from "../request.ts";

/** The vertices whose layers end up in an image that is exported. */
export function imageVertices(request: BuildRequest, targets: readonly Vertex[]): ReadonlySet<Digest> {
  const wanted = new Set<Digest>();
  // Layers that will be merged into one are never compressed themselves.
  if (request.squash !== undefined || !makesImage(request)) return wanted;
  const stack = [...targets];
  for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
    if (wanted.has(vertex.digest)) continue;
    wanted.add(vertex.digest);
    for (const number of madeOf(vertex)) {
      const input = vertex.inputs[number];
      if (input !== undefined) stack.push(input);
    }
  }
  return wanted;
}

/** Numbers of the inputs whose layers are among those of a vertex. */
function madeOf({ op, inputs }: Vertex): readonly number[] {
  return op.kind === "diff" ? [...inputs.keys()] : standsOn(op, inputs.length);
}

/** Whether an output is an image. */
export function makesImage({ exports }: BuildRequest): boolean {
  return exports.some(({ type }) => type === "image" || type === "oci" || type === "docker");
}

/** The vertices on whose result a RUN stands, or from which one mounts. */
export function runWanters(targets: readonly Vertex[]): ReadonlySet<Digest> {
  const wanted = new Set<Digest>();
  // Users come after their inputs, so going backwards every user has been seen.
  for (const vertex of topological(targets).toReversed()) {
    const passOn =
      vertex.op.kind === "exec"
        ? vertex.inputs
        : wanted.has(vertex.digest)
          ? madeOf(vertex).flatMap((number) => vertex.inputs[number] ?? [])
          : [];
    for (const input of passOn) wanted.add(input.digest);
  }
  return wanted;
}

/** Those, and the ones that nobody wants as a blob. */
export function directoryWanters(request: BuildRequest, targets: readonly Vertex[]): ReadonlySet<Digest> {
  const inImage = imageVertices(request, targets);
  const others = topological(targets).filter(({ digest }) => !inImage.has(digest));
  return new Set([...runWanters(targets), ...others.map(({ digest }) => digest)]);
}

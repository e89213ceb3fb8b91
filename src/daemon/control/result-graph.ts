// A result as the graph that a client is given for it. Clients read nothing in it: they hand it back as the input of
// another frontend, within the same build or another one of theirs (bake: contexts = { x = "target:y" }), or build on it
// with ops of their own.

import { digestOf } from "../../../builder/core/digest.ts";
import { RESULT_SCHEME } from "../../../builder/definition-request.ts";
import type { Definition } from "../../api/proto/llb.ts";
import { OpMessage } from "../../api/proto/llb.ts";
import type { Of } from "../../api/proto/message.ts";

type Graph = Of<typeof Definition>;

const SCHEME = `${RESULT_SCHEME}://`;

/** One source that names the result, and the op that is what the graph gives. */
export function graphOfResult(id: string): Graph {
  const source = OpMessage.encode({ source: { identifier: SCHEME + id, attrs: new Map() } });
  const digest = digestOf(source);
  const last = OpMessage.encode({ inputs: [{ digest, index: 0 }] });
  // Clients take a graph without any for none (BuildKit, solver/pb/ops.go).
  const said = { ignoreCache: false, description: new Map(), caps: new Map(), resources: undefined };
  return { ops: [source, last], metadata: new Map([[digest, said]]), source: undefined };
}

/** The result that a graph stands for; undefined for one that is a graph indeed. Throws `MalformedMessage`. */
export function resultInGraph({ ops }: Graph): string | undefined {
  const [source] = ops.length === 2 ? ops : [];
  const identifier = source === undefined ? "" : (OpMessage.decode(source).source?.identifier ?? "");
  return identifier.startsWith(SCHEME) ? identifier.slice(SCHEME.length) : undefined;
}

/** The results that a larger graph stands on. Throws `MalformedMessage`. */
export function resultsUnder({ ops }: Graph): readonly string[] {
  const found = new Set<string>();
  // Most graphs name none: those are not read here.
  for (const op of ops.filter((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(SCHEME))) {
    const identifier = OpMessage.decode(op).source?.identifier ?? "";
    if (identifier.startsWith(SCHEME)) found.add(identifier.slice(SCHEME.length));
  }
  return [...found];
}

// BuildKit's cache keys for the vertices of a build: what making them needs to know.

import { llbOp } from "../../attest/llb.ts";
import { VertexKeys } from "../../cache/buildkit/vertex-keys.ts";
import type { InputLoader } from "../contexts/inputs.ts";

/** Keys cover what ops are, with everything in it: nothing of them is written down. */
const AS_IT_IS = { scrub: (text: string) => text, variable: (text: string) => text };

/** The keys of one build; they cost nothing until one is asked for. */
export function vertexKeys(inputs: InputLoader): VertexKeys {
  const image: InputLoader["imageIdentity"] = (id) => inputs.imageIdentity(id);
  const world = { withheld: AS_IT_IS, platformOf: (id: string) => image(id)?.platform, redact: AS_IT_IS.scrub };
  return new VertexKeys({ llb: (vertex) => llbOp(vertex, world), image });
}

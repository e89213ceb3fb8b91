// A graph that a client sends in BuildKit's low-level form, and what of it lies with the client.

import type { Digest } from "../../../builder/core/digest.ts";
import { digestOf } from "../../../builder/core/digest.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { DefinitionRequest, LlbOp } from "../../../builder/definition-request.ts";
import { MOST_OPS } from "../../../builder/definition-request.ts";
import type { Definition } from "../../api/proto/llb.ts";
import { OpMessage } from "../../api/proto/llb.ts";
import type { Of } from "../../api/proto/message.ts";
import type { ClientSession } from "../session/client-session.ts";
import { clientStore } from "../session/client-store.ts";
import type { Contexts, ContextsWorld } from "./contexts.ts";
import { sessionFolder } from "./session-folder.ts";

/** A graph as it came. */
export interface AskedDefinition {
  readonly message: Of<typeof Definition>;
  /** What ops may need of a builder. */
  readonly abilities: ReadonlySet<string>;
  /** The config of the image; undefined where the client says nothing of it. */
  readonly config: Uint8Array | undefined;
  /** Images in the store for the results of other builds that it names. */
  readonly results: ReadonlyMap<string, Digest>;
}

/** What a request has where the graph is the client's. */
export const NO_CONTEXTS: Contexts = {
  context: { kind: "stream", open: () => nothing() },
  dockerfile: { kind: "default" },
  namedContexts: new Map(),
};

async function* nothing(): AsyncIterable<Uint8Array> {}

/** Reads the ops, and names them by their digests. Throws `USAGE`, `MalformedMessage`. */
export function readDefinition(
  { message, abilities, config, results }: AskedDefinition,
  world: ContextsWorld,
): DefinitionRequest {
  if (message.ops.length > MOST_OPS)
    throw new BuildError("USAGE", `a definition has ${message.ops.length} ops, and may have ${MOST_OPS}`);
  const ops = new Map(
    message.ops.map((bytes): [ReturnType<typeof digestOf>, LlbOp] => [digestOf(bytes), OpMessage.decode(bytes)]),
  );
  const sessionOf = async (id: string): Promise<ClientSession> => {
    const session = id === "" ? world.session : await world.otherSession(id);
    if (session !== undefined) return session;
    throw new BuildError("USAGE", "a source lies with the client, and the request names no session");
  };
  return {
    graph: { ops, metadata: message.metadata, source: message.source },
    abilities,
    config,
    result: (id) => results.get(id),
    folder: async ({ name, session, sharedKeyHint }) =>
      sessionFolder({ session: await sessionOf(session), name, sharedKeyHint }, world),
    store: async (name, session) => clientStore(await sessionOf(session), `oci:${name}`, world.signal),
  };
}

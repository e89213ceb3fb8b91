// A build whose graph comes from the client, in BuildKit's low-level form.

import type { Digest } from "./core/digest.ts";
import type { ClientFolder, ClientStore } from "./core/session.ts";
import type { LlbDefinition } from "./llb/definition.ts";
import type { LocalSource } from "./llb/sources.ts";

export type { LlbDefinition, LlbMetadata, LlbOp, LlbSourceMap } from "./llb/definition.ts";
export { MOST_OPS } from "./llb/order.ts";
export type { LocalSource } from "./llb/sources.ts";
export { RESULT_SCHEME } from "./llb/sources.ts";

/** The graph, and what of it lies with the client. */
export interface DefinitionRequest {
  readonly graph: LlbDefinition;
  /** What its ops may need of a builder, in BuildKit's words (solver/pb/caps.go). */
  readonly abilities: ReadonlySet<string>;
  /** The image's config, as JSON; undefined: one that says nothing. */
  readonly config: Uint8Array | undefined;
  /** The image in the store that has a result of another build, by its name; undefined when there is none of it. */
  result(id: string): Digest | undefined;
  /** A folder that a source names. Throws `USAGE` when there is no session that could have it. */
  folder(source: LocalSource): Promise<ClientFolder>;
  /** A store of images that a source names. Throws `USAGE` as well. */
  store(name: string, session: string): Promise<ClientStore>;
}

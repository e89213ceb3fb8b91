// What opening a context works with, and what comes of it.

import type { Digest } from "../../core/digest.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import type { Engine } from "../../engine.ts";
import type { BuildRequest, ContextSpec } from "../../request.ts";
import type { ClientDockerfile } from "./client-context.ts";
import type { SourceTrees } from "./source-trees.ts";

/** The name of the main context's source. */
export const MAIN = "context";

/** The Dockerfile's bytes and the name to show for it. */
export interface DockerfileSource {
  readonly bytes: Uint8Array;
  readonly name: string;
  /** Where it lies on this machine, if it does. */
  readonly path?: string;
  /** The step that read it. */
  readonly vertex?: Digest;
}

/** The main context, open. */
export interface MainContext {
  dockerfile(): Promise<DockerfileSource>;
  /** Its files. Call after `dockerfile`: the ignore file may lie beside it. */
  files(): Promise<NamedContext>;
}

/** A context that somebody made beforehand, or says how to make. */
export type GivenContext = Extract<ContextSpec, { kind: "location" | "definition" }>;

/** What opening a context works with. */
export interface ContextWorld {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly trees: SourceTrees;
  readonly signal: AbortSignal;
  /** A context that is no folder, opened under a name. */
  readonly given: (spec: GivenContext, name: string) => Promise<NamedContext>;
  /** The Dockerfile of a client, once it was read. */
  clientDockerfile?: ClientDockerfile;
}

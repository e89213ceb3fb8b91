// What is known of one build when it is done, and goes into its provenance.

import type { Digest } from "../core/digest.ts";
import type { Platform } from "../core/image/platform.ts";
import type { Vertex } from "../graph/vertex.ts";

/** An image that the build began with or copied from. */
export interface ImageFact {
  /** Full reference, as it was asked for. */
  readonly name: string;
  readonly platform: Platform;
  /** What the name pointed to: an index or a manifest. */
  readonly digest: Digest;
  /** Came from a layout or an archive of the client, not by its name. */
  readonly isLocal: boolean;
}

/** What a ref stood for; `url` has no credentials, and the ref behind "#" if one was named. */
export interface GitFact {
  readonly url: string;
  /** The commit, or the annotated tag. */
  readonly object: string;
}

/** A downloaded file; `url` has no credentials. */
export interface HttpFact {
  readonly url: string;
  readonly digest: Digest;
}

/** Where the build was described. */
export interface ConfigSource {
  /** Of a context that was not the client's own. */
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  /** The Dockerfile. */
  readonly path?: string;
}

/** One build of one platform. */
export interface BuildFacts {
  readonly images: readonly ImageFact[];
  readonly git: readonly GitFact[];
  readonly http: readonly HttpFact[];
  /** Names of the client's folders that were read: "context", "dockerfile", a named context. */
  readonly locals: readonly string[];
  readonly config: ConfigSource;
  /** What was asked for, in the words in which BuildKit's clients ask its frontend: "build-arg:X", "target". */
  readonly args: ReadonlyMap<string, string>;
  /** Of a context in a repository: "source", "revision", "localdir:context". */
  readonly vcs: ReadonlyMap<string, string>;
  /** Undefined for a graph that the client sent. */
  readonly dockerfile: { readonly name: string; readonly text: string } | undefined;
  /** The rootfs of the result; undefined for one without layers. */
  readonly result: Vertex | undefined;
  /** Platform and number of layers of the images in the graph, by the id of their source ops. */
  readonly imageOf: (id: string) => { readonly platform: Platform; readonly layers: number } | undefined;
  readonly builderPlatform: Platform;
  /** ms since the epoch. */
  readonly startedMs: number;
  readonly finishedMs: number;
  /** Same for the same build when it is to be reproducible; undefined: derived from everything else. */
  readonly invocationId: string | undefined;
}

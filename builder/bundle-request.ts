// What `tsbuild bundle` asks of the engine: an image as a bundle for an OCI runtime.

import type { IdRange } from "./bundle/id-map.ts";
import type { ImageRequest } from "./run-request.ts";

export type { IdRange } from "./bundle/id-map.ts";

/** Everything one bundle is asked for. */
export interface BundleRequest extends ImageRequest {
  /** Absolute; is made, or must be empty. */
  readonly directory: string;
  /** For a runtime that an ordinary user starts; undefined: if an ordinary user asks. */
  readonly rootless: boolean | undefined;
  /** Of the bundle's user namespace; undefined: the user's own ids if it is rootless, else none. Both or neither. */
  readonly uidMap: readonly IdRange[] | undefined;
  readonly gidMap: readonly IdRange[] | undefined;
  /** The process gets a terminal. */
  readonly terminal: boolean;
}

export interface BundleResult {
  /** Digest of the image's config. */
  readonly imageId: string;
}

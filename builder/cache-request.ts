// Caches that lie elsewhere, as a request names them (--cache-from, --cache-to).

import type { Compression } from "./core/descriptor.ts";
import type { Digest } from "./core/digest.ts";

/** A repository of a registry. */
export interface RegistryCache {
  readonly type: "registry";
  /** A full reference. */
  readonly reference: string;
}

/** A folder that is an OCI image layout. */
export interface LocalCache {
  readonly type: "local";
  /** Absolute. */
  readonly path: string;
  /** Default: latest. */
  readonly tag?: string;
}

/** Where results may be. */
export type CacheFrom = (RegistryCache | (LocalCache & { readonly digest?: Digest })) & {
  /** "none": cache mounts that lie beside it are left there. */
  readonly mounts?: "none" | "max";
};

/** What goes where. */
export type CacheTo = ((RegistryCache | LocalCache) & CacheLook) | ({ readonly type: "inline" } & CacheFailure);

/** How a cache is written. */
export interface CacheLook extends CacheFailure {
  /** "min": the layers of the result, "max": those of all steps. */
  readonly mode: "min" | "max";
  /** A manifest, as images have; else an index. */
  readonly imageManifest: boolean;
  readonly ociMediaTypes: boolean;
  /** Undefined: as the build's own blobs are made. */
  readonly compression?: Compression;
  readonly level?: number;
  readonly forceCompression: boolean;
  /** "max": the cache mounts of all steps are written beside it. */
  readonly mounts: "none" | "max";
}

export interface CacheFailure {
  /** Whether a cache that cannot be written is only told of. */
  readonly ignoreError: boolean;
}

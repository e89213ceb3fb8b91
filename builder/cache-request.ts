// Caches that lie elsewhere, as a request names them (--cache-from, --cache-to).

import type { ActionsCacheOptions } from "./cache/buckets/actions.ts";
import type { AzureCacheOptions } from "./cache/buckets/azure.ts";
import type { S3CacheOptions } from "./cache/buckets/s3.ts";
import type { Compression, Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import type { ClientStore } from "./core/session.ts";

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

/** What keeps a document of records and blobs, no image: a bucket of S3, Azure's storage, GitHub's cache service. */
export type BucketCache = (
  | ({ readonly type: "s3" } & S3CacheOptions)
  | ({ readonly type: "azblob" } & AzureCacheOptions)
  | ({ readonly type: "gha" } & ActionsCacheOptions)
) & {
  /** Further attempts of a request; absent: as for registries. */
  readonly retries?: number;
};

/** The store of a remote client. */
export interface ClientCache {
  readonly type: "client";
  readonly store: ClientStore;
}

/** Where results may be. */
export type CacheFrom =
  | ((RegistryCache | (LocalCache & { readonly digest?: Digest })) & MountsFrom)
  | (ClientCache & { readonly digest: Digest })
  | (BucketCache & MountsFrom);

export interface MountsFrom {
  /** "none": cache mounts that lie beside it are left there. */
  readonly mounts?: "none" | "max";
}

/** What goes where. */
export type CacheTo =
  | ((RegistryCache | LocalCache) & CacheLook)
  | (ClientCache &
      CacheLook & { /** Told of what the client is to list. */ readonly onWritten: (manifest: Descriptor) => void })
  | (BucketCache & CacheReach & { /** Layers that are sent at a time. */ readonly layersAtOnce: number })
  | ({ readonly type: "inline" } & CacheFailure);

/** How much of a build goes into a cache. */
export interface CacheReach extends CacheFailure {
  /** "min": the layers of the result, "max": those of all steps. */
  readonly mode: "min" | "max";
  /** "max": the cache mounts of all steps are written beside it. */
  readonly mounts: "none" | "max";
}

/** How a cache is written that lies as images do. */
export interface CacheLook extends CacheReach {
  /** A manifest, as images have; else an index. */
  readonly imageManifest: boolean;
  readonly ociMediaTypes: boolean;
  /** Undefined: as the build's own blobs are made. */
  readonly compression?: Compression;
  readonly level?: number;
  readonly forceCompression: boolean;
}

export interface CacheFailure {
  /** Whether a cache that cannot be written is only told of. */
  readonly ignoreError: boolean;
}

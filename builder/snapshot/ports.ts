// What this room needs of its neighbours; `builder/engine.ts` plugs them in.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import type { GrowingFile } from "../core/system/growing-file.ts";
import type { StoreSpace } from "../core/space.ts";
import type { FoundString, LayerJobs } from "../layer/jobs/jobs.ts";

/** Where blobs are kept. */
export interface BlobPort {
  /** Bytes of a blob; undefined when it is not there. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** Absolute path of a blob that is there. */
  pathOf(digest: Digest): Promise<string>;
  /** A temporary file for a worker to write; disposing it before `adopt` removes it. */
  writer(signal: AbortSignal): Promise<
    AsyncDisposable & {
      readonly path: string;
      adopt(found: { readonly digest: Digest; readonly size: number }): Promise<void>;
    }
  >;
}

/** Somebody who wants to know of byte strings in the layers that are packed. */
export interface LayerWatch {
  /** What to look for in the layer that is packed now; undefined for nothing. */
  begin(layerId: string): WatchedStrings | undefined;
}

export interface WatchedStrings {
  /** At least one. */
  readonly strings: readonly Uint8Array[];
  /** Told what stands in the layer, when all of it has been looked through. */
  done(layerId: string, found: readonly FoundString[]): void;
}

/** Where the layers of one store lie, and who works on them. */
export interface LayerPlace {
  /** `<root>/tsbuild/layers`: one folder a layer. */
  readonly layersDirectory: string;
  /** A folder of this process below `<root>/tsbuild/work`, on the same file system; gone when the process ends. */
  readonly workDirectory: string;
  readonly blobs: BlobPort;
  /** Where the compressed blocks of earlier blobs are found. */
  readonly storedBlocks?: { readonly indexDirectory: string; readonly blobsDirectory: string };
  readonly space: StoreSpace;
  readonly jobs: LayerJobs;
  readonly overlayXattrs: "trusted" | "user";
  /** Whether this process may give files to other owners (root, or root of a user namespace). */
  readonly privileged: boolean;
  readonly watch?: LayerWatch | undefined;
}

/** Brings a blob that is not in the store yet (a lazy pull); may tell of the file that its bytes come into. */
export type FetchBlob = (
  descriptor: Descriptor,
  signal: AbortSignal,
  onGrowing?: (file: GrowingFile) => void,
) => Promise<void>;

// What the thread of a cache mount and those who start it say to each other. Plain data: it is cloned on the way.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { FoundString } from "../../layer/jobs/jobs.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import type { ChunkBlob } from "./listing.ts";

export interface PackRequest {
  readonly kind: "pack";
  /** Absolute. */
  readonly directory: string;
  /** The list of the same mount that lies where this one goes: its chunks need not be made again. */
  readonly earlier: Uint8Array | undefined;
  /** Byte strings of which none may leave. */
  readonly strings: readonly Uint8Array[];
}

export interface UnpackRequest {
  readonly kind: "unpack";
  /** The bytes of a list, whose digest was verified; nothing else is trusted. */
  readonly listing: Uint8Array;
  /** Names the mount in errors. */
  readonly what: string;
  readonly limits: UnpackLimits;
  /** Absolute; empty. */
  readonly directory: string;
  /** A directory with content that is much the same: chunks that it has are taken from there. */
  readonly base?: string | undefined;
}

export type ThreadRequest = PackRequest | UnpackRequest;

/** Blobs under way at a time: what a build holds of them in memory is a few times `CHUNK_BYTES.most`. */
export const IN_FLIGHT = 4;

export type ToThread = { readonly kind: "taken" } | { readonly kind: "blob"; readonly bytes: Uint8Array };

/** A mount that was read to its end. */
export interface PackedMount {
  readonly listing: Uint8Array;
  /** All its chunks, each once. */
  readonly blobs: readonly ChunkBlob[];
  readonly files: number;
  /** Of its content. */
  readonly sizeBytes: number;
}

export type FromThread =
  | { readonly kind: "chunk"; readonly blob: ChunkBlob; readonly bytes: Uint8Array }
  | ({ readonly kind: "packed" } & PackedMount)
  | { readonly kind: "found"; readonly found: readonly FoundString[] }
  | { readonly kind: "changed"; readonly path: BytePath }
  | {
      readonly kind: "wanted";
      readonly blobs: readonly ChunkBlob[];
      readonly files: number;
      readonly sizeBytes: number;
    }
  | { readonly kind: "taken" }
  | { readonly kind: "unpacked" }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

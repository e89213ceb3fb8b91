// The bulk work on layers. Each function runs synchronously over reused buffers in a
// worker thread (pool.ts) and is called from the main thread as a promise; whatever an
// abort or an error leaves half-written is removed before the promise rejects.
// This file is the room's door: types here, the work in pack.ts, apply.ts, differ.ts, write.ts.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Compression } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import type { GrowingFile } from "../../core/system/growing-file.ts";
import type { Entry, SourcedEntry } from "../entry.ts";
import type { IndexChange } from "../index-change.ts";
import type { LayerIndex } from "../index-file.ts";
import type { UnpackLimits } from "../unpack-limits.ts";

/** How a blob is compressed. Where the blocks are cut is part of the format: see block-cutter.ts. */
export interface CompressionOptions {
  readonly compression: Compression;
  /** gzip 0-9 (default 4), zstd 0-22 (default 3). */
  readonly level?: number;
  /** "portable" is fflate: bytes that depend on its version alone. gzip only. */
  readonly encoder?: "native" | "portable";
}

/** A finished blob of a layer. */
export interface PackedBlob {
  readonly diffId: Digest;
  /** Of the compressed bytes. */
  readonly digest: Digest;
  readonly size: number;
  readonly uncompressedSize: number;
  /** In tar order, with the content digests, and with times as they were given though the tar cuts them. */
  readonly index: LayerIndex;
  /** What was looked for and is there; absent when nothing was looked for. */
  readonly found?: readonly FoundString[];
}

/** A byte string that stands in a layer. */
export interface FoundString {
  /** Its number among those that were looked for. */
  readonly string: number;
  /** The entry; of a file with several names one of them. */
  readonly path: BytePath;
  readonly where: "content" | "name" | "link" | "attribute";
}

export interface SearchRequest {
  /** As for `pack`; or a blob, absolute path. */
  readonly content: PackRequest["content"] | { readonly blobFile: string };
  /** At least one. */
  readonly strings: readonly Uint8Array[];
}

export interface PackRequest extends CompressionOptions {
  /** In any order: written sorted by path, parents first; a hard link after its target. */
  readonly content: readonly SourcedEntry[] | LayerDirectory;
  /** Absolute path of a new file that receives the blob (fsync is the caller's choice: `sync`). */
  readonly outFile: string;
  readonly sync: boolean;
  /** Ceiling for every mtime in ns (SOURCE_DATE_EPOCH): later times are lowered to it. */
  readonly maxMtimeNs?: bigint;
  /** Keeps fractions of a second. Without it times are cut to whole seconds, as in the layers of BuildKit; they cost 1 KiB of tar a file. */
  readonly keepNanoseconds?: boolean;
  /** Byte strings to look for on the way; at least one. */
  readonly lookFor?: readonly Uint8Array[];
  /** Where blocks that were compressed before are found, and these are remembered; the blob is the same without. */
  readonly storedBlocks?: StoredBlocksPlace;
}

/** Absolute paths. */
export interface StoredBlocksPlace {
  /** Indexes of the blocks of blobs; need not be there. */
  readonly indexDirectory: string;
  /** The blobs, each a file named by the hex digits of its digest. */
  readonly blobsDirectory: string;
  /** A name on the file system of the indexes that nobody else uses. */
  readonly temporaryFile: string;
}

export interface ApplyRequest {
  /** Absolute path of the blob. */
  readonly blobFile: string;
  /** What its media type says. As with every other reader the first bytes decide: gzip, zstd or plain. */
  readonly compression: Compression;
  /** Verified against what is read; a mismatch throws `ARCHIVE_INVALID`. */
  readonly diffId?: Digest;
  /** The layer's index, of one that was written here: times are as it says, since a tar of ours has whole seconds. */
  readonly index?: Uint8Array;
  /** Directory that receives the layer in overlay form (see write.ts); absent: only the index is made. */
  readonly directory?: string;
  /** Names of the overlay's attributes: "trusted" as real root, "user" in a user namespace. */
  readonly overlayXattrs: "trusted" | "user";
  /** Only these paths are written (plain files, own owner, for reading); absent: all. */
  readonly only?: readonly BytePath[];
  /** Against bombs; default `DEFAULT_LIMITS`. */
  readonly limits?: UnpackLimits;
  /**
   * Directories of the layers below, topmost first, in overlay form. A directory that the tar does not list but that
   * lies around something it lists gets its owner, mode and time from there (else 0755 0:0, which would hide theirs).
   */
  readonly lowers?: readonly string[];
}

export interface AppliedLayer {
  readonly diffId: Digest;
  readonly uncompressedSize: number;
  readonly index: LayerIndex;
  /** Directories that the tar does not list, whose attributes on disk depend on the layers below (see `lowers`). Most layers have none. */
  readonly impliedDirectories: readonly BytePath[];
}

/** An archive as ADD unpacks it: of any compression we read, told by its content; `.wh.` names mean nothing in it. */
export interface UnpackRequest {
  /** Absolute path of the archive. */
  readonly archiveFile: string;
  /** New directory that receives the regular files, flat, under names of our own: needs no privilege. The caller removes it. */
  readonly directory: string;
  /** Against bombs; default `DEFAULT_LIMITS`. */
  readonly limits?: UnpackLimits;
}

/** A layer that never changes: its index as bytes, and the absolute byte path of the directory that has its files. */
export interface LayerDirectory {
  readonly index: Uint8Array;
  readonly directory: BytePath;
}

export interface WriteRequest {
  readonly entries: readonly SourcedEntry[];
  /** New directory that receives the entries in overlay form. */
  readonly directory: string;
  readonly overlayXattrs: "trusted" | "user";
  /** Hard-link "path" sources instead of copying where owner, mode, mtime and xattrs all agree and the file system allows. Only for immutable sources. */
  readonly hardlinkSources: boolean;
  /** A directory that nobody needs afterwards: "path" sources below it are linked instead of copied as well. */
  readonly spareDirectory?: BytePath;
  /** A layer that may have many of the entries at the same paths: what agrees in all, digest included, is linked from it as well. */
  readonly twin?: LayerDirectory;
}

/** Changes the directory of a layer into that of another one (index-change.ts). */
export interface AlterRequest {
  readonly change: Pick<IndexChange, "removed" | "directories" | "added">;
  /** A layer's directory in overlay form that is nobody's any more. Files of it may have names elsewhere. */
  readonly directory: string;
  readonly overlayXattrs: "trusted" | "user";
}

/** A layer's directory that was written. */
export interface WrittenLayer {
  /** In the order of `pack`, with content digests. */
  readonly index: LayerIndex;
  /** What it takes of the disk, about, without what was linked from elsewhere. */
  readonly ownBytes: number;
}

export interface DiffRequest {
  /** The upper directory of a finished step, in overlay form. */
  readonly upper: string;
  /** The directories below it, topmost first, in overlay form: what each upper entry is compared with. */
  readonly lowers: readonly string[];
  readonly overlayXattrs: "trusted" | "user";
  /** Absolute paths in the rootfs that never become entries (mount points the runtime made and that are still empty). */
  readonly ignore?: readonly BytePath[];
  /** Absolute paths that, with all that is below them, nobody wants in a layer. */
  readonly leaveOut?: readonly BytePath[];
}

/** A rootfs as one plain directory, for those who have no overlay. */
export interface PlainRequest {
  readonly entries: readonly SourcedEntry[];
  /** New directory that receives the entries. */
  readonly directory: string;
  readonly overlayXattrs: "trusted" | "user";
  /** New file that receives what every path looked like; for `changes`. */
  readonly baselineFile: string;
  /** Names that share no file with others, though they do in the layers. */
  readonly apart?: readonly BytePath[];
}

export interface ChangesRequest {
  /** The directory of `plain` after a step. What changed is moved out of it, so it is of no more use. */
  readonly directory: string;
  readonly baselineFile: string;
  /** New directory of the same file system that receives what changed, in overlay form. */
  readonly outDirectory: string;
  readonly overlayXattrs: "trusted" | "user";
  /** As for `diff`. */
  readonly ignore?: readonly BytePath[];
  /** Absolute paths that, with all that is below them, nobody wants in a layer. */
  readonly leaveOut?: readonly BytePath[];
}

/** What a step changed in a plain directory. */
export interface PlainChanges {
  readonly index: LayerIndex;
  /**
   * Names of files that the step changed and that have several of them below: an overlay changes one name alone, this
   * directory changed all. Where there are any nothing was moved.
   */
  readonly shared: readonly BytePath[];
}

/** The same tar in another compression. */
export interface TranscodeRequest {
  readonly blobFile: string;
  readonly from: Compression;
  /** Verified on the way. */
  readonly diffId: Digest;
  readonly to: CompressionOptions;
  readonly outFile: string;
  /** Against bombs; default `DEFAULT_LIMITS`. */
  readonly limits?: UnpackLimits;
}

/** What a worker makes of it before the way back: entries become an index there. */
export type WithEntries<Result extends { readonly index: LayerIndex }> = Omit<Result, "index"> & {
  readonly entries: readonly Entry[];
};

/** One open pool of workers; closed at the end of the program. */
export interface LayerJobs {
  /** Starts a worker for a job that is about to come, unless there is one. */
  expectJob(): void;
  /** Writes a layer's tar, compressed, with both digests. */
  pack(request: PackRequest, signal: AbortSignal): Promise<PackedBlob>;
  /** Where byte strings stand in a layer, in the order of its entries. */
  search(request: SearchRequest, signal: AbortSignal): Promise<readonly FoundString[]>;
  /** Reads a blob: its index, and the directory if one is wanted. Safe against hostile tars. */
  apply(request: ApplyRequest, signal: AbortSignal): Promise<AppliedLayer>;
  /**
   * The same for a blob that is still coming; undefined when no worker can be spared to wait for it. Throws `STORE` when
   * the file breaks. What it gives counts only once the file is whole.
   */
  applyGrowing(
    request: Omit<ApplyRequest, "blobFile">,
    file: GrowingFile,
    signal: AbortSignal,
  ): Promise<AppliedLayer> | undefined;
  /** Reads an archive: its entries, their bytes in plain files. Throws `ARCHIVE_INVALID` when it is none. */
  unpack(request: UnpackRequest, signal: AbortSignal): Promise<readonly SourcedEntry[]>;
  /** Writes entries as a directory in overlay form. */
  write(request: WriteRequest, signal: AbortSignal): Promise<WrittenLayer>;
  /** Changes one layer's directory into another's; the index is of what was added. */
  alter(request: AlterRequest, signal: AbortSignal): Promise<WrittenLayer>;
  /**
   * What a step changed, as sorted entries with parents (never the root), whiteouts per removed path of the layers below,
   * nothing that is unchanged. The bytes of regular files are below `upper`.
   */
  diff(request: DiffRequest, signal: AbortSignal): Promise<LayerIndex>;
  /** Writes entries as a plain directory that `changes` will look through. */
  plain(request: PlainRequest, signal: AbortSignal): Promise<void>;
  /** What a step changed in a plain directory: the same entries as `diff` finds above an overlay. */
  changes(request: ChangesRequest, signal: AbortSignal): Promise<PlainChanges>;
  /** Compresses the tar of a blob anew, byte for byte the same tar. */
  transcode(
    request: TranscodeRequest,
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly size: number; readonly uncompressedSize: number }>;
  [Symbol.asyncDispose](): Promise<void>;
}

// Where images come from and where they go: a registry, a layout, an archive, the
// store. To copy an image is to read one from a source and write it to a sink.

import type { Compression, Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { chooseManifest } from "../image/index.ts";
import type { MediaFamily } from "../image/manifest.ts";
import { parseDocument } from "../image/read.ts";
import type { BlobNotes } from "../store/store.ts";

/** Progress of one blob: bytes so far, of how many. `done` once, at its end. */
export type StatusSink = (status: {
  readonly digest: Digest;
  readonly current: number;
  readonly total: number;
  readonly done: boolean;
}) => void;

/** One image name of some place. Nothing it gives is verified yet unless it says so. */
export interface ImageSource extends AsyncDisposable {
  /** For messages: `docker.io/library/busybox:latest`, `oci-layout "/x"`. */
  readonly name: string;
  /** What the name points to: a manifest or an index, with its bytes. Throws `INPUT_MISSING` when there is no such image. */
  top(signal: AbortSignal): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
  /** A manifest or index that another one names. */
  document(descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array>;
  /** A config or a layer, from its start. */
  blob(descriptor: Descriptor, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Whether a document or blob is there; not offered by places where it costs a request. */
  has?(descriptor: Descriptor): Promise<boolean>;
  /** Absolute path of a blob's own file on this machine, where there is one. */
  pathOf?(descriptor: Descriptor): Promise<string | undefined>;
  /**
   * What the name points to, without its bytes, where that costs less than `top`; undefined when the place does not say
   * it so. Throws `REGISTRY` when it does not answer.
   */
  resolve?(signal: AbortSignal): Promise<(Pick<Descriptor, "digest"> & Partial<Descriptor>) | undefined>;
  /** A config or a layer from byte `from` on, for what is there already. */
  blobFrom?(descriptor: Descriptor, from: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Says that the bytes last given for a blob did not have its digest; true when another place is left to give them. */
  reject?(descriptor: Descriptor): Promise<boolean>;
  /** Repositories of registries ("docker.io/library/busybox") that gave a blob. */
  heldAt?(descriptor: Descriptor): readonly string[];
  /** Its blobs were verified when they came there. */
  readonly isVerified?: boolean;
  /** The place keeps no manifest: the one it gives was made for the occasion, and its digest is nobody's. */
  readonly isDerived?: boolean;
}

/** What a place can hold. */
export interface SinkForms {
  /** Of manifests; the first is what one of another family becomes. */
  readonly families: readonly MediaFamily[];
  /** A family beside these that it can hold where digests must stay, though few readers of such a place know it. */
  readonly tolerated?: MediaFamily;
  /** Of layers; the first is what others become. */
  readonly compressions: readonly Compression[];
  /** What uncompressed layers become that come from where nothing is compressed; absent: they stay. */
  readonly preferred?: Compression;
  /** Whether images of several platforms can lie there under one name. */
  readonly indexes: boolean;
  /** Whether manifests of other things than images can. */
  readonly artifacts: boolean;
  /** Whether the manifest itself is kept; without it only the image id stays what it was. */
  readonly keepsManifest: boolean;
}

/** What a sink holds that does not say so: everything, as a registry does. */
export const ALL_FORMS: SinkForms = {
  families: ["oci", "docker"],
  compressions: ["gzip", "zstd", "uncompressed"],
  preferred: "gzip",
  indexes: true,
  artifacts: true,
  keepsManifest: true,
};

/** A place that takes images. Blobs come first, then documents, names at the end; what is there already is not sent. */
export interface ImageSink extends AsyncDisposable {
  readonly name: string;
  /** What the registry that takes the blobs calls the repository ("docker.io/library/app"): its others can share them. */
  heldAs?(): Promise<string>;
  /** What it can hold; absent: everything. */
  readonly forms?: SinkForms;
  /** One blob at a time, in an order that its bytes follow (an archive). */
  readonly isSequential?: boolean;
  has(descriptor: Descriptor, signal: AbortSignal): Promise<boolean>;
  /**
   * Takes a config or a layer; the place verifies digest and size. `open` may be called again for another attempt.
   * `notes` of earlier transfers may spare some of the bytes.
   */
  putBlob(
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    notes?: BlobNotes,
  ): Promise<void>;
  /**
   * Takes a blob straight from its source, where it can go on from a byte: what an earlier attempt brought does not come
   * again. Absent: there is only `putBlob`.
   */
  fetchBlob?(source: ImageSource, descriptor: Descriptor, signal: AbortSignal, onStatus: StatusSink): Promise<void>;
  /**
   * Takes a manifest or an index; with `names` (tags of this sink) it can be had under them. `isTop`: it is the image
   * that is copied, not a part of one, and so has a place in the list of a layout or an archive even without a name.
   */
  putDocument(
    descriptor: Descriptor,
    bytes: Uint8Array,
    names: readonly string[],
    signal: AbortSignal,
    isTop?: boolean,
  ): Promise<void>;
  /**
   * Everything has come, of one image or of several: what is made in one piece (a file, a load into a daemon) appears
   * now. Disposed without it, such a place shows nothing. Absent: there is nothing to do.
   */
  finish?(signal: AbortSignal): Promise<void>;
}

/** The one image of a source for a platform. */
export interface ResolvedImage {
  /** What the name points to: an index, or the manifest itself. */
  readonly top: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** The manifest of the platform's image. */
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** Every document on the way, top first: what a name in the store needs to be complete. */
  readonly documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

/** Follows indexes (also nested ones) to the image for a platform; every document's digest and size are verified. */
export async function resolveImage(
  source: Pick<ImageSource, "name" | "top" | "document">,
  platform: Platform,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const top = await source.top(signal);
  verifyBytes(top.descriptor, top.bytes, source.name);
  const documents = [top];
  for (let current = top; documents.length <= 4;) {
    const what = `${source.name} (${current.descriptor.digest})`;
    const document = parseDocument(current.bytes, what, current.descriptor.mediaType);
    if (document.kind === "manifest") return { top, manifest: current, documents };
    const descriptor = chooseManifest(document.index, platform, source.name);
    const bytes = await source.document(descriptor, signal);
    verifyBytes(descriptor, bytes, source.name);
    current = { descriptor, bytes };
    documents.push(current);
  }
  throw new BuildError("ARCHIVE_INVALID", `${source.name} nests indexes more than four deep`);
}

/** Throws `DIGEST_INVALID` unless bytes are what a descriptor says; `where` names who gave them. */
export function verifyBytes(descriptor: Descriptor, bytes: Uint8Array, where: string): void {
  if (bytes.length !== descriptor.size) {
    throw new BuildError(
      "DIGEST_INVALID",
      `${where} gave ${bytes.length} bytes for ${descriptor.digest}, its descriptor says ${descriptor.size}`,
    );
  }
  const found: Digest = digestOf(bytes);
  if (found !== descriptor.digest)
    throw new BuildError("DIGEST_INVALID", `${where} gave bytes with ${found} for ${descriptor.digest}`);
}

/** The media type that a document's bytes say, or imply. Throws `ARCHIVE_INVALID`, `UNSUPPORTED`. */
export function mediaTypeIn(bytes: Uint8Array, what: string, contentType?: string): string {
  const document = parseDocument(bytes, what, contentType);
  return document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
}

/** Whole bytes of a stream that may have `maxBytes` at most. */
export async function collect(chunks: AsyncIterable<Uint8Array>, maxBytes: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw new BuildError("DIGEST_INVALID", `${what} is larger than ${maxBytes} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

// What one copy is asked for, what comes of it, and what its parts share while it goes on.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Platform } from "../../core/image/platform.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import type { BlobNotes } from "../../store/store.ts";
import type { ImageSink, ImageSource, SinkForms, StatusSink } from "../source.ts";
import type { CopyWishes } from "./plan.ts";

export interface CopyOptions extends CopyWishes {
  /**
   * Where the name leads to images of several platforms. "one": the image for `platform`. "all": every one of them, and
   * the index. "index": the index alone. "sparse": the index, and of its images the one for `platform`.
   * "present": the index, and those of its images that the source has.
   */
  readonly which: "one" | "all" | "index" | "sparse" | "present";
  readonly platform: Platform;
  /** What it is called at the destination. */
  readonly names: readonly string[];
  /** Of one image; undefined: as many as memory and processors are good for. */
  readonly layersAtOnce?: number | undefined;
  /** Layers whose bytes stay are also unpacked, to see that they are what the config says. */
  readonly checkLayers: boolean;
  readonly limits: UnpackLimits;
  /** Of earlier transfers; they may spare some bytes. */
  readonly notes?: BlobNotes | undefined;
  /** Where layers lie while they are made anew. */
  readonly temporaryDirectory: () => Promise<string>;
  readonly signal: AbortSignal;
  readonly onStatus: StatusSink;
}

/** An image that was copied. */
export interface CopiedImage {
  readonly platform: Platform;
  readonly imageId: Digest;
  /** Its manifest as it is at the destination. */
  readonly descriptor: Descriptor;
}

/** A digest that is another one at the destination, and why. */
export interface DigestChange {
  /** "linux/amd64", "the index". */
  readonly what: string;
  readonly from: Digest;
  readonly to: Digest;
  readonly reasons: readonly string[];
}

export interface CopyResult {
  /** What the name leads to at the destination. */
  readonly top: Descriptor;
  readonly images: readonly CopiedImage[];
  readonly changes: readonly DigestChange[];
  /** Whether the destination keeps manifests; of an image at one that does not only the image id can be asked. */
  readonly keepsManifest: boolean;
}

/** What the parts of one copy share. */
export interface CopyWork {
  readonly source: ImageSource;
  readonly sink: ImageSink;
  readonly forms: SinkForms;
  readonly options: CopyOptions;
  /** Aborts with the caller's signal, and when another part has failed. */
  readonly signal: AbortSignal;
  /** Tells the other parts that one has failed. */
  readonly fail: () => void;
  /** Blobs that have been sent or were there, by digest and form; equal ones are sent once. */
  readonly moved: Map<string, Promise<Descriptor>>;
  readonly images: CopiedImage[];
  readonly changes: DigestChange[];
}

/** Throws `UNSUPPORTED` when a digest would change and none may. */
export function refuseChange({ options, source, sink }: CopyWork, what: string, reasons: readonly string[]): void {
  if (!options.preserveDigests || reasons.length === 0) return;
  throw new BuildError(
    "UNSUPPORTED",
    `${source.name} cannot keep its digests in ${sink.name}: ${what}: ${reasons.join("; ")}`,
    { hint: "leave --preserve-digests away, or copy to a place that holds it as it is" },
  );
}

// What a layer's blob really is: its own digest and size, and those of the tar inside. Nothing that is said of it is
// believed, and a damaged blob is a finding here, not an error.

import type { Digest } from "../core/digest.ts";
import { Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { ArchiveReader } from "./tar/archive-reader.ts";
import type { ByteSource, SniffedFormat } from "./compression/decompress.ts";
import { decompress, sniff, SNIFF_BYTES } from "./compression/decompress.ts";
import { NoStore } from "./tar/member-store.ts";
import { TarReader } from "./tar/tar-reader.ts";

/** The findings. */
export interface MeasuredBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly format: SniffedFormat;
  /** Of the tar inside, as far as it could be unpacked; undefined when it could not to its end. */
  readonly diffId: Digest | undefined;
  readonly uncompressedSize: number;
  /** Why it cannot be unpacked, or is no tar that a layer may be. */
  readonly fault: string | undefined;
}

/** Reads a blob to its end. Throws what the source throws, and when `signal` is aborted. */
export async function measureBlob(blob: ByteSource, signal: AbortSignal): Promise<MeasuredBlob> {
  const outer = new Outer(blob, signal);
  const inner = new Digester();
  const tar = new TarReader(
    new ArchiveReader({ kind: "layer", maxContentBytes: Number.POSITIVE_INFINITY }, new NoStore()),
  );
  let fault: string | undefined;
  let isWhole = false;
  const judge = (look: () => void): void => {
    if (fault !== undefined) return;
    try {
      look();
    } catch (error) {
      fault = faultOf(error);
    }
  };
  try {
    for await (const chunk of decompress(outer.chunks(), "layer")) {
      inner.update(chunk);
      judge(() => tar.push(chunk));
    }
    isWhole = true;
    judge(() => tar.end());
  } catch (error) {
    if (outer.failed || signal.aborted) throw error;
    fault = faultOf(error);
  }
  await outer.drain();
  const { digest, size, format } = outer.found();
  const uncompressedSize = inner.sizeBytes;
  return { digest, size, format, diffId: isWhole ? inner.digest() : undefined, uncompressedSize, fault };
}

function faultOf(error: unknown): string {
  if (error instanceof BuildError && (error.code === "ARCHIVE_INVALID" || error.code === "UNSUPPORTED"))
    return error.message;
  throw error;
}

/** The blob's own bytes, digested on their way, also those that the decompressor leaves. */
class Outer {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #digester = new Digester();
  #head = Buffer.alloc(0);
  /** The source threw: its error is no finding about the blob. */
  failed = false;

  constructor(blob: ByteSource, signal: AbortSignal) {
    this.#iterator = Symbol.asyncIterator in blob ? blob[Symbol.asyncIterator]() : blob[Symbol.iterator]();
    this.#signal = signal;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  async drain(): Promise<void> {
    while ((await this.#next()) !== undefined);
  }

  found(): { digest: Digest; size: number; format: SniffedFormat } {
    const size = this.#digester.sizeBytes;
    return { digest: this.#digester.digest(), size, format: sniff(this.#head) };
  }

  async #next(): Promise<Uint8Array | undefined> {
    this.#signal.throwIfAborted();
    try {
      const next = await this.#iterator.next();
      if (next.done === true) return undefined;
      const chunk = next.value;
      this.#digester.update(chunk);
      if (this.#head.length < SNIFF_BYTES) this.#head = Buffer.concat([this.#head, chunk.subarray(0, SNIFF_BYTES)]);
      return chunk;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}

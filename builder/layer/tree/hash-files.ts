// Digests of many files: synchronous reads into one buffer, which is what costs
// least for thousands of small files. Between slices of work the event loop gets its turn.

import { createHash, hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { fsPath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import type { ContentSource } from "../entry.ts";

export interface HashedFile {
  readonly digest: Digest;
  /** Bytes that were read. */
  readonly size: number;
}

const BUFFER_BYTES = 256 * 1024;
const SLICE_MS = 20;

/**
 * Reads the sources and gives their digests by key; `headerOf` says what is hashed before a file's bytes. A source that
 * cannot be read throws the system's error, with `path`.
 */
export async function hashSources(
  sources: ReadonlyMap<BytePath, ContentSource>,
  signal: AbortSignal,
  headerOf?: (key: BytePath) => Uint8Array,
): Promise<Map<BytePath, HashedFile>> {
  const found = new Map<BytePath, HashedFile>();
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let sliceEnd = performance.now() + SLICE_MS;
  for (const [key, source] of sources) {
    const header = headerOf?.(key);
    if (source.kind === "bytes") {
      const bytes = header === undefined ? source.bytes : Buffer.concat([header, source.bytes]);
      found.set(key, { digest: digestOf(bytes), size: source.bytes.length });
      continue;
    }
    const steps = hashSteps(source.path, buffer, header);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) {
        found.set(key, step.value);
        break;
      }
      sliceEnd = await pauseAfter(sliceEnd, signal);
    }
    sliceEnd = await pauseAfter(sliceEnd, signal);
  }
  return found;
}

async function pauseAfter(sliceEnd: number, signal: AbortSignal): Promise<number> {
  if (performance.now() < sliceEnd) return sliceEnd;
  signal.throwIfAborted();
  await setImmediate();
  return performance.now() + SLICE_MS;
}

// Yields between the pieces of a large file; small ones take a single read.
function* hashSteps(path: BytePath, buffer: Buffer, header?: Uint8Array): Generator<undefined, HashedFile> {
  const file = openSync(fsPath(path), "r");
  try {
    let read = readSync(file, buffer, 0, BUFFER_BYTES, null);
    if (read < BUFFER_BYTES && header === undefined) {
      const more = read === 0 ? 0 : readSync(file, buffer, read, BUFFER_BYTES - read, null);
      if (more === 0) return { digest: `sha256:${hash("sha256", buffer.subarray(0, read), "hex")}`, size: read };
      read += more;
    }
    const sum = createHash("sha256");
    if (header !== undefined) sum.update(header);
    let size = 0;
    while (read > 0) {
      sum.update(buffer.subarray(0, read));
      size += read;
      yield;
      read = readSync(file, buffer, 0, BUFFER_BYTES, null);
    }
    return { digest: `sha256:${sum.digest("hex")}`, size };
  } finally {
    closeSync(file);
  }
}

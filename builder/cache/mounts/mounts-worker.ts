// The thread that packs or unpacks one cache mount (thread.ts starts it).

import { parentPort, workerData } from "node:worker_threads";
import { zstdCompressSync } from "node:zlib";
import { bytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { asBuildError, BuildError } from "../../core/errors.ts";
import { LayerSearch } from "../../layer/view/layer-search.ts";
import { DEFAULT_LIMITS } from "../../layer/unpack-limits.ts";
import type { Chunk, ChunkBlob } from "./listing.ts";
import { readListing, writeListing } from "./listing.ts";
import { ChangedMount, readMount } from "./read-mount.ts";
import type { FromThread, PackRequest, ThreadRequest, ToThread, UnpackRequest } from "./thread-messages.ts";
import { IN_FLIGHT } from "./thread-messages.ts";
import { chunksOf, wantedBlobs, writeMount } from "./write-mount.ts";

/** Messages that come, one after the other. */
const inbox: ToThread[] = [];
let wake: () => void = () => undefined;
parentPort?.on("message", (message: ToThread) => {
  inbox.push(message);
  wake();
});

async function received(): Promise<ToThread> {
  for (;;) {
    const message = inbox.shift();
    if (message !== undefined) return message;
    await new Promise<void>((resolve) => (wake = resolve));
  }
}

function send(message: FromThread, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

void work(workerData as ThreadRequest); // thread.ts starts this file with one

async function work(request: ThreadRequest): Promise<void> {
  try {
    await (request.kind === "pack" ? pack(request) : unpack(request));
  } catch (error) {
    if (error instanceof ChangedMount) send({ kind: "changed", path: error.path });
    else {
      const { code, message, hint } = asBuildError(error);
      send({ kind: "failed", code, message, hint });
    }
  } finally {
    parentPort?.close();
  }
}

async function pack({ directory, earlier, strings }: PackRequest): Promise<void> {
  const blobs = chunksIn(earlier);
  const chunks: Chunk[] = [];
  const searched = strings.length === 0 ? undefined : await searchedChunks(directory, strings);
  if (searched === "refused") return;
  let free = IN_FLIGHT;
  const { entries } = await readMount(bytePath(directory), {
    onChunk: async (bytes) => {
      const digest = digestOf(bytes);
      if (searched !== undefined && searched[chunks.length] !== digest) throw new ChangedMount("");
      let blob = blobs.get(digest);
      if (blob === undefined) {
        const packed = Uint8Array.from(zstdCompressSync(bytes));
        blob = { digest: digestOf(packed), size: packed.length };
        blobs.set(digest, blob);
        if (free === 0) {
          await received();
          free++;
        }
        free--;
        send({ kind: "chunk", blob, bytes: packed }, [packed.buffer]);
      }
      chunks.push({ digest, size: bytes.length, blob });
    },
  });
  const listing = Uint8Array.from(writeListing({ chunks, entries }));
  const sizeBytes = chunks.reduce((sum, { size }) => sum + size, 0);
  const used = new Map<Digest, ChunkBlob>(chunks.map(({ blob }) => [blob.digest, blob]));
  send({ kind: "packed", listing, blobs: [...used.values()], files: entries.length - 1, sizeBytes });
}

/** What was looked through and may leave: nothing goes before all of the mount has been looked through. */
async function searchedChunks(
  directory: string,
  strings: readonly Uint8Array[],
): Promise<readonly Digest[] | "refused"> {
  const digests: Digest[] = [];
  const search = new LayerSearch(strings);
  await readMount(bytePath(directory), { search, onChunk: async (bytes) => void digests.push(digestOf(bytes)) });
  if (search.found.length === 0) return digests;
  send({ kind: "found", found: search.found });
  return "refused";
}

/** One that cannot be read is as good as none. */
function chunksIn(earlier: Uint8Array | undefined): Map<Digest, ChunkBlob> {
  if (earlier === undefined) return new Map();
  try {
    const { chunks } = readListing(earlier, DEFAULT_LIMITS, "the earlier list");
    return new Map(chunks.map(({ digest, blob }) => [digest, blob]));
  } catch (error) {
    if (error instanceof BuildError) return new Map();
    throw error;
  }
}

async function unpack({ listing: bytes, what, limits, directory, base }: UnpackRequest): Promise<void> {
  const listing = readListing(bytes, limits, what);
  const here = base === undefined ? new Map() : await chunksOf(bytePath(base));
  const wanted = wantedBlobs(listing, here);
  const sizeBytes = listing.chunks.reduce((sum, { size }) => sum + size, 0);
  send({ kind: "wanted", blobs: wanted, files: listing.entries.length, sizeBytes });
  await writeMount(listing, directory, here, async () => {
    const message = await received();
    if (message.kind !== "blob") throw new BuildError("INTERNAL", "a blob was expected");
    send({ kind: "taken" });
    return message.bytes;
  });
  send({ kind: "unpacked" });
}

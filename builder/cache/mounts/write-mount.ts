// Makes the directory of a cache mount from its list and its chunks, in a worker. Chunks that repeat are taken from what
// is written already, those that a directory here has from there; only the rest comes from elsewhere.

import { zstdDecompressSync } from "node:zlib";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { OverlayTree } from "../../layer/tree/overlay-tree.ts";
import { ContentStream } from "./content.ts";
import type { Chunk, ChunkBlob, MountListing } from "./listing.ts";
import { readMount } from "./read-mount.ts";
import { writeAll } from "../../core/system/write-all.ts";

/** Where the bytes of a chunk are. */
interface Place {
  readonly stream: ContentStream;
  readonly start: number;
}

/** The chunks of a directory that is here; whether it still has them shows when they are read. */
export async function chunksOf(directory: BytePath): Promise<ReadonlyMap<Digest, Place>> {
  const starts = new Map<Digest, number>();
  const { content } = await readMount(directory, {
    onChunk: async (bytes, start) => void starts.set(digestOf(bytes), start),
  });
  return new Map([...starts].map(([digest, start]) => [digest, { stream: content, start }]));
}

/** The blobs that have to come, each once, in the order in which `writeMount` asks for them. */
export function wantedBlobs(listing: MountListing, here: ReadonlyMap<Digest, Place>): readonly ChunkBlob[] {
  const wanted = new Map<Digest, ChunkBlob>();
  for (const { digest, blob } of listing.chunks) if (!here.has(digest) && !wanted.has(digest)) wanted.set(digest, blob);
  return [...wanted.values()];
}

/**
 * Writes the mount into an empty directory. `next` gives the bytes of the next blob of `wantedBlobs`; every digest is
 * checked. Throws `DIGEST_INVALID`; the directory is then the caller's to remove.
 */
export async function writeMount(
  listing: MountListing,
  directory: string,
  here: ReadonlyMap<Digest, Place>,
  next: () => Promise<Uint8Array>,
): Promise<void> {
  const tree = new OverlayTree(directory, "user");
  const written = new ContentStream(tree.pathOf(""));
  const places = new Map(here);
  const chunks = listing.chunks.values();
  let chunk: Uint8Array = new Uint8Array();
  let chunkStart = 0;
  const more = async (): Promise<void> => {
    chunkStart += chunk.length;
    const { value } = chunks.next();
    if (value === undefined) throw new BuildError("INTERNAL", "a list of chunks ends too early");
    chunk = await bytesOf(value, places.get(value.digest), next);
    // From here on it is in what is written, once it is needed again.
    places.set(value.digest, places.get(value.digest) ?? { stream: written, start: chunkStart });
  };
  let at = 0;
  for (const entry of listing.entries) {
    const { path, link = "" } = entry;
    if (entry.type === "dir") {
      if (path !== "") tree.makeDirectory(path);
    } else if (entry.type === "symlink") tree.makeSymlink(path, link, entry);
    else if (entry.type === "hardlink") tree.makeHardLink(path, link);
    else {
      written.add(path, entry.size);
      const fd = tree.openFile(path, entry.mode);
      try {
        for (let done = 0; done < entry.size;) {
          if (at === chunkStart + chunk.length) await more();
          const part = chunk.subarray(at - chunkStart, at - chunkStart + entry.size - done);
          writeAll(fd, part);
          done += part.length;
          at += part.length;
        }
      } catch (error) {
        tree.closeFile(fd, path, { mode: 0o600, uid: -1, gid: -1, mtimeNs: 0n });
        throw error;
      }
      tree.closeFile(fd, path, entry);
    }
  }
  // Deepest first: what is made in a directory changes its time, and one that nobody may enter is closed last.
  for (const entry of [...listing.entries].reverse()) if (entry.type === "dir") tree.setAttributes(entry.path, entry);
}

async function bytesOf(chunk: Chunk, place: Place | undefined, next: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const bytes = place === undefined ? unpacked(await next(), chunk) : place.stream.read(place.start, chunk.size);
  if (bytes.length === chunk.size && digestOf(bytes) === chunk.digest) return bytes;
  throw new BuildError(
    "DIGEST_INVALID",
    `a chunk of ${chunk.size} bytes with ${chunk.digest} was expected, another came`,
  );
}

function unpacked(packed: Uint8Array, { digest, size, blob }: Chunk): Uint8Array {
  if (packed.length !== blob.size || digestOf(packed) !== blob.digest)
    throw new BuildError("DIGEST_INVALID", `blob ${blob.digest} was expected, ${digestOf(packed)} came`);
  try {
    return zstdDecompressSync(packed, { maxOutputLength: size });
  } catch (error) {
    throw new BuildError("DIGEST_INVALID", `blob ${blob.digest} is not the ${size} bytes of the chunk ${digest}`, {
      cause: error,
    });
  }
}

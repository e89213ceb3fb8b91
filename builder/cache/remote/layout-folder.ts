// A cache in a folder: an OCI image layout whose index.json names each cache by its tag, as BuildKit's clients write it.

import { readFile, rename, rm, stat } from "node:fs/promises";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import { hexOf } from "../../core/digest.ts";
import { isErrno } from "../../core/errors.ts";
import { parseDocument } from "../../image/read.ts";
import { makeDirectories } from "../../store/directories.ts";
import { appear, explained, prepareLayout } from "../../store/layout.ts";
import { REF_NAME } from "../../store/names.ts";
import { temporaryPath } from "../../store/temporary.ts";
import type { ImageSink } from "../../transport/source.ts";

/** Opens a folder for caches; it is made if it is not there. Throws `OUTPUT`. */
export async function openLayoutFolder(path: string): Promise<ImageSink> {
  const ingest = join(path, "ingest");
  await prepareLayout(path, ingest, "OUTPUT");
  const placeOf = (descriptor: Descriptor): string => join(path, "blobs/sha256", hexOf(descriptor.digest));
  return {
    name: `"${path}"`,
    has: async (descriptor) => (await sizeOf(placeOf(descriptor))) === descriptor.size,
    async putBlob(descriptor, open, signal) {
      await explained(path, "OUTPUT", async () => {
        await makeDirectories(ingest);
        const temporary = temporaryPath(ingest, "blob");
        try {
          await pipeline(open(), createWriteStream(temporary, { flags: "wx", mode: 0o644, flush: true }), { signal });
          await rename(temporary, placeOf(descriptor));
        } catch (error) {
          await rm(temporary, { force: true });
          throw error;
        }
      });
    },
    async putDocument(descriptor, bytes, tags) {
      await explained(path, "OUTPUT", async () => {
        await appear(placeOf(descriptor), bytes, ingest, "replace");
        if (tags.length > 0) await nameIt(path, ingest, descriptor, tags);
      });
    },
    async [Symbol.asyncDispose]() {
      // Nothing is held open.
    },
  };
}

async function nameIt(path: string, ingest: string, descriptor: Descriptor, tags: readonly string[]): Promise<void> {
  const file = join(path, "index.json");
  const index = parseDocument(await readFile(file), `"${file}"`);
  const others = index.kind === "index" ? index.index.manifests : [];
  const kept = others.filter(({ annotations }) => !tags.includes(annotations?.[REF_NAME] ?? ""));
  const named = tags.map((tag) => ({ ...descriptor, annotations: { [REF_NAME]: tag } }));
  const text = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [...kept, ...named] });
  await appear(file, text, ingest, "replace");
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

// Images in the content store of a remote client: read by their digest, written without a name. The client keeps the list of
// what it has itself.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ClientStore } from "../core/session.ts";
import { parseDocument } from "../image/read.ts";
import { LAYOUT_FORMS } from "./oci-layout.ts";
import type { ImageSink, ImageSource } from "./source.ts";

const DOCUMENT_BYTES = 16 << 20;

/** An image, or an index, by its digest. */
export function openClientImage(store: ClientStore, digest: Digest, name: string): ImageSource {
  const read = async (of: Digest): Promise<Uint8Array> => await readDocument(store, of, name);
  return {
    name,
    async top() {
      const bytes = await read(digest);
      const document = parseDocument(bytes, name);
      const mediaType = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
      return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    },
    document: (descriptor) => read(descriptor.digest),
    blob: (descriptor) => store.read(descriptor.digest, 0),
    blobFrom: (descriptor, from) => store.read(descriptor.digest, from),
    async [Symbol.asyncDispose]() {
      // The session is held by whoever opened it.
    },
  };
}

async function readDocument(store: ClientStore, digest: Digest, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of store.read(digest, 0)) {
    size += part.length;
    if (size > DOCUMENT_BYTES)
      throw new BuildError("ARCHIVE_INVALID", `${name}: ${digest} is too large for a manifest`);
    parts.push(Uint8Array.from(part));
  }
  return Buffer.concat(parts);
}

/** Takes images; what the client has already is not sent. */
export function openClientSink(store: ClientStore, name: string): ImageSink {
  const has = async ({ digest, size }: Descriptor): Promise<boolean> => (await store.size(digest)) === size;
  return {
    name,
    forms: LAYOUT_FORMS,
    has,
    putBlob: (descriptor, open) => store.write(descriptor, open()),
    async putDocument(descriptor, bytes) {
      if (!(await has(descriptor))) await store.write(descriptor, oneChunk(bytes));
    },
    async [Symbol.asyncDispose]() {
      // The session is held by whoever opened it.
    },
  };
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

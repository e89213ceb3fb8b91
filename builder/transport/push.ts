// Sends an image to a sink: blobs in parallel, then manifests, then the index; tags last,
// so that nobody pulls a name whose content is still on its way.

import type { Descriptor } from "../core/descriptor.ts";
import { notePassed } from "../core/passed-bytes.ts";
import type { BlobStore } from "../store/store.ts";
import type { StatusSink } from "./source.ts";
import { inParallel } from "./pull.ts";
import type { ImageSink } from "./source.ts";

/** An image's parts. The last document is the one that gets the tags. */
export interface ImageContents {
  readonly blobs: readonly Descriptor[];
  readonly documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

/** Sends what the sink lacks. Without tags the image is there under its digest only. */
export async function pushImage(
  sink: ImageSink,
  contents: ImageContents,
  tags: readonly string[],
  store: BlobStore,
  signal: AbortSignal,
  onStatus: StatusSink = () => undefined,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  await inParallel(contents.blobs, 4, async (blob) => {
    const { digest, size } = blob;
    try {
      if (!(await sink.has(blob, both)))
        await sink.putBlob(blob, () => counted(store.open(digest, both), blob, onStatus), both, store.notes);
      const holder = await sink.heldAs?.();
      if (holder !== undefined) await store.notes?.addHolder(digest, holder);
    } catch (error) {
      failed.abort();
      throw error;
    }
    onStatus({ digest, current: size, total: size, done: true });
  });
  for (const [place, { descriptor, bytes }] of contents.documents.entries()) {
    const isLast = place === contents.documents.length - 1;
    await sink.putDocument(descriptor, bytes, isLast ? tags : [], signal);
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  { digest, size }: Descriptor,
  onStatus: StatusSink,
): AsyncIterable<Uint8Array> {
  let current = 0;
  for await (const chunk of chunks) {
    current += chunk.length;
    onStatus({ digest, current, total: size, done: false });
    yield chunk;
    notePassed(chunk.length);
  }
}

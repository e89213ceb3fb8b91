// Brings images into the store: manifest and config at once, layers when somebody
// wants them. Every byte is verified before it is visible under its digest.

import type { Descriptor } from "../core/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ImageConfig } from "../core/image-config.ts";
import type { Platform } from "../core/platform.ts";
import { parseDocument, parseImageManifest } from "../image/read.ts";
import { validateImage } from "../image/validate.ts";
import type { BlobStore } from "../store/store.ts";
import type { ImageSource } from "./source.ts";
import { resolveImage } from "./source.ts";

/** Progress of one blob: bytes so far, of how many. `done` once, at its end. */
export type StatusSink = (status: {
  readonly digest: Digest;
  readonly current: number;
  readonly total: number;
  readonly done: boolean;
}) => void;

/** An image whose manifest and config are in the store. */
export interface PulledImage {
  /** What the name pointed to: the digest to pin. */
  readonly top: Descriptor;
  readonly descriptor: Descriptor;
  readonly platform: Platform;
  readonly config: ImageConfig;
  readonly imageId: Digest;
  /** Bottom first, with the diffIDs that the config says. */
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
  /** Brings one layer into the store unless it is there; calls at the same time share the work. */
  fetchLayer(layer: Descriptor, signal: AbortSignal): Promise<void>;
}

/** Resolves a source for a platform and stores what describes the image. The source must stay open for `fetchLayer`. */
export async function pullImage(
  source: ImageSource,
  platform: Platform,
  store: BlobStore,
  signal: AbortSignal,
  onStatus: StatusSink = () => undefined,
): Promise<PulledImage> {
  const resolved = await resolveImage(source, platform, signal);
  const { descriptor } = resolved.manifest;
  const manifest = parseImageManifest(
    resolved.manifest.bytes,
    `manifest ${descriptor.digest} of ${source.name}`,
    descriptor.mediaType,
  );
  await fetchBlob(source, manifest.config, store, signal);
  for (const document of resolved.documents) await store.put(document.bytes);
  const image = await validateImage(descriptor, store, { layers: "absent", signal });
  return {
    top: resolved.top.descriptor,
    descriptor,
    platform: image.platform,
    config: image.config,
    imageId: image.imageId,
    layers: manifest.layers.map((layer, place) => ({ descriptor: layer, diffId: diffIdAt(image.config, place) })),
    fetchLayer: sharedByDigest((layer, innerSignal) => fetchBlob(source, layer, store, innerSignal, onStatus)),
  };
}

/** Copies one blob of a source into the store, verified; nothing happens when it is there. */
async function fetchBlob(
  source: ImageSource,
  descriptor: Descriptor,
  store: BlobStore,
  signal: AbortSignal,
  onStatus: StatusSink = () => undefined,
): Promise<void> {
  const { digest, size } = descriptor;
  if ((await store.sizeOf(digest)) !== size) {
    await using writer = await store.writer(signal);
    let current = 0;
    for await (const chunk of source.blob(descriptor, signal)) {
      current += chunk.length;
      if (current > size)
        throw new BuildError("DIGEST_INVALID", `${source.name} gives more than the ${size} bytes that ${digest} has`);
      await writer.write(chunk);
      onStatus({ digest, current, total: size, done: false });
    }
    await commitFrom(source.name, () => writer.commit({ digest, size }));
  }
  onStatus({ digest, current: size, total: size, done: true });
}

/** Brings a whole image into the store: every document and blob below what the name points to, all platforms. */
export async function pullAll(
  source: ImageSource,
  store: BlobStore,
  signal: AbortSignal,
  onStatus?: StatusSink,
): Promise<Descriptor> {
  const top = await source.top(signal);
  const visit = async (descriptor: Descriptor, bytes: Uint8Array): Promise<void> => {
    const document = parseDocument(bytes, `${source.name} (${descriptor.digest})`, descriptor.mediaType);
    if (document.kind === "manifest") {
      const blobs = [document.manifest.config, ...document.manifest.layers];
      await inParallel(blobs, 6, (blob) => fetchBlob(source, blob, store, signal, onStatus));
    } else {
      for (const child of document.index.manifests) await visit(child, await source.document(child, signal));
    }
    await store.put(bytes);
  };
  await visit(top.descriptor, top.bytes);
  return top.descriptor;
}

/** Does `work` for every item, `limit` at a time; throws what failed first, once all under way have ended. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failures.length > 0) return;
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

async function commitFrom(name: string, commit: () => Promise<unknown>): Promise<void> {
  try {
    await commit();
  } catch (error) {
    if (error instanceof BuildError && error.code === "DIGEST_INVALID") {
      throw new BuildError("DIGEST_INVALID", `${name}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function diffIdAt(config: ImageConfig, place: number): Digest {
  const diffId = config.rootfs.diff_ids[place];
  if (diffId === undefined) throw new BuildError("INTERNAL", "a validated image has fewer diff_ids than layers");
  return diffId;
}

function sharedByDigest(
  work: (layer: Descriptor, signal: AbortSignal) => Promise<void>,
): (layer: Descriptor, signal: AbortSignal) => Promise<void> {
  const running = new Map<Digest, Promise<void>>();
  return (layer, signal) => {
    const known = running.get(layer.digest);
    if (known !== undefined) return known;
    const started = work(layer, signal).finally(() => running.delete(layer.digest));
    running.set(layer.digest, started);
    return started;
  };
}

// Brings images into the store: manifest and config at once, layers when somebody
// wants them. Every byte is verified before it is visible under its digest.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { joinWork } from "../core/shared-work.ts";
import { BuildError } from "../core/errors.ts";
import type { ImageConfig } from "../core/image/image-config.ts";
import type { GrowingFile } from "../core/system/growing-file.ts";
import { giveBack, isLent } from "../core/bytes/lent-chunks.ts";
import { noteEnd, notePassed } from "../core/bytes/passed-bytes.ts";
import type { Platform } from "../core/image/platform.ts";
import { Slots } from "../core/slots.ts";
import { parseImageManifest } from "../image/read.ts";
import { type BlobReader, validateImage } from "../image/validate.ts";
import type { BlobDownload, BlobStore } from "../store/store.ts";
import type { ImageSource, StatusSink } from "./source.ts";
import { resolveImage } from "./source.ts";
import { storedDocument, withStoredDocuments } from "./stored-documents.ts";

const CONFIG_BYTES = 16 << 20;
/** Each takes memory, for itself and for whoever unpacks it meanwhile: with two, several large ones stay below 150 MB. */
const LAYERS_AT_ONCE = 2;

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
  /**
   * Brings one layer into the store unless it is there; calls at the same time share the work. The first of them may be
   * told of the file that the bytes come into.
   */
  fetchLayer(layer: Descriptor, signal: AbortSignal, onGrowing?: GrowingSink): Promise<void>;
}

/** Told of the file that a blob comes into, once, when its first bytes are asked for. */
export type GrowingSink = (file: GrowingFile) => void;

/** Resolves a source for a platform and stores what describes the image. The source must stay open for `fetchLayer`. */
export async function pullImage(
  source: ImageSource,
  platform: Platform,
  store: BlobStore,
  signal: AbortSignal,
  onStatus: StatusSink = () => undefined,
): Promise<PulledImage> {
  const resolved = await resolveImage(withStoredDocuments(source, store), platform, signal);
  const { descriptor } = resolved.manifest;
  const manifest = parseImageManifest(
    resolved.manifest.bytes,
    `manifest ${descriptor.digest} of ${source.name}`,
    descriptor.mediaType,
  );
  checkConfigSize(manifest.config, source.name);
  await fetchConfig(source, manifest.config, store, signal);
  for (const document of resolved.documents) await store.put(document.bytes);
  const there = source.isVerified === true ? store : withoutCut(store, manifest.layers);
  const image = await validateImage(descriptor, there, { layers: "absent", signal });
  const turns = new Slots(LAYERS_AT_ONCE);
  return {
    top: resolved.top.descriptor,
    descriptor,
    platform: image.platform,
    config: image.config,
    imageId: image.imageId,
    layers: manifest.layers.map((layer, place) => ({ descriptor: layer, diffId: diffIdAt(image.config, place) })),
    fetchLayer: sharedByDigest((layer, innerSignal, onGrowing) =>
      turns.use(innerSignal, () => fetchBlob(source, layer, store, innerSignal, onStatus, onGrowing)),
    ),
  };
}

/** The same where its bytes are no longer those that came: they come again. */
async function fetchConfig(
  source: ImageSource,
  config: Descriptor,
  store: BlobStore,
  signal: AbortSignal,
): Promise<void> {
  const isThere = (await store.sizeOf(config.digest)) === config.size;
  if (!isThere || (await storedDocument(store, config.digest)) !== undefined)
    return await fetchBlob(source, config, store, signal);
  const parts: Uint8Array[] = [];
  for await (const part of source.blob(config, signal)) {
    parts.push(Uint8Array.from(part));
    giveBack(part);
  }
  // Under the digest that it has; whether that is the one that was asked for is seen by whoever validates the image.
  await store.put(Buffer.concat(parts));
}

/** A blob that the disk has cut short is as good as none: it comes again. */
function withoutCut(store: BlobStore, layers: readonly Descriptor[]): BlobReader {
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  return {
    read: (digest, maxBytes) => store.read(digest, maxBytes),
    open: (digest, signal) => store.open(digest, signal),
    sizeOf: async (digest) => {
      const size = await store.sizeOf(digest);
      return size === sizes.get(digest) ? size : undefined;
    },
  };
}

/** The part of a source that blobs come from. */
export type BlobSource = Pick<ImageSource, "name" | "blob" | "blobFrom" | "reject" | "heldAt">;

/**
 * Copies one blob of a source into the store, verified; nothing happens when it is there. What an earlier run brought
 * of it does not come again, where the source can go on from a byte.
 */
export async function fetchBlob(
  source: BlobSource,
  descriptor: Descriptor,
  store: BlobStore,
  signal: AbortSignal,
  onStatus: StatusSink = () => undefined,
  onGrowing?: GrowingSink,
): Promise<void> {
  const { digest, size } = descriptor;
  if ((await store.sizeOf(digest)) !== size) {
    await using download = await store.download(descriptor, signal);
    if (download !== undefined) {
      await receive(source, descriptor, download, signal, onStatus, onGrowing);
      noteEnd();
    }
    // A hint for pushes: another repository of the same registry can take it from there.
    for (const holder of source.heldAt?.(descriptor) ?? []) await store.notes?.addHolder(digest, holder);
  }
  onStatus({ digest, current: size, total: size, done: true });
}

async function receive(
  source: BlobSource,
  descriptor: Descriptor,
  download: BlobDownload,
  signal: AbortSignal,
  onStatus: StatusSink,
  onGrowing?: GrowingSink,
): Promise<void> {
  if (source.blobFrom === undefined) await download.restart();
  onGrowing?.(download.growing());
  for (let isResumed = download.position > 0; ; isResumed = false) {
    await receiveBytes(source, descriptor, download, signal, onStatus);
    try {
      return await download.commit();
    } catch (error) {
      if (!(error instanceof BuildError) || error.code !== "DIGEST_INVALID") throw error;
      // What lay there may have been spoiled, by a disk or by another place than the one that gave the rest.
      if (!isResumed && (await source.reject?.(descriptor)) !== true)
        throw new BuildError("DIGEST_INVALID", `${source.name}: ${error.message}`, { cause: error });
    }
  }
}

async function receiveBytes(
  source: BlobSource,
  descriptor: Descriptor,
  download: BlobDownload,
  signal: AbortSignal,
  onStatus: StatusSink,
): Promise<void> {
  const { digest, size } = descriptor;
  const from = download.position;
  if (from === size && size > 0) return;
  const chunks = source.blobFrom?.(descriptor, from, signal) ?? source.blob(descriptor, signal);
  try {
    for await (const chunk of chunks) {
      if (download.position + chunk.length > size)
        throw new BuildError("DIGEST_INVALID", `${source.name} gives more than the ${size} bytes that ${digest} has`);
      await download.write(chunk);
      if (isLent(chunk)) giveBack(chunk);
      else notePassed(chunk.length);
      onStatus({ digest, current: download.position, total: size, done: false });
    }
  } catch (error) {
    if (error instanceof BuildError && error.code === "DIGEST_INVALID") await download.restart();
    throw error;
  }
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

function checkConfigSize({ digest, size }: Descriptor, name: string): void {
  if (size <= CONFIG_BYTES) return;
  throw new BuildError(
    "ARCHIVE_INVALID",
    `${name}: its config ${digest} has ${size} bytes, at most ${CONFIG_BYTES} are read`,
  );
}

function diffIdAt(config: ImageConfig, place: number): Digest {
  const diffId = config.rootfs.diff_ids[place];
  if (diffId === undefined) throw new BuildError("INTERNAL", "a validated image has fewer diff_ids than layers");
  return diffId;
}

function sharedByDigest(work: PulledImage["fetchLayer"]): PulledImage["fetchLayer"] {
  const running = new Map<Digest, Promise<void>>();
  return (layer, signal, onGrowing) => joinWork(running, layer.digest, signal, () => work(layer, signal, onGrowing));
}

// One manifest's part of a copy: its config and layers are sent, and the manifest is made
// that names them at the destination. An image is checked before anybody can see it.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf, layerMediaType } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { isLent } from "../../core/bytes/lent-chunks.ts";
import { notePassed } from "../../core/bytes/passed-bytes.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import { configMediaType, convertManifest, familyOf, isImageManifest } from "../../image/convert.ts";
import type { Document, ImageManifest } from "../../image/manifest.ts";
import type { BlobReader, ValidImage } from "../../image/validate.ts";
import { validateImage } from "../../image/validate.ts";
import type { CompressionOptions } from "../../layer/jobs/jobs.ts";
import type { StatusSink } from "../source.ts";
import { inParallel } from "../pull.ts";
import type { BlobNotes } from "../../store/store.ts";
import type { ImageSource } from "../source.ts";
import { collect, verifyBytes } from "../source.ts";
import { verified } from "../write-blob.ts";
import type { CopyWork } from "./copy-work.ts";
import { refuseChange } from "./copy-work.ts";
import type { ImagePlan } from "./plan.ts";
import { FAMILY_NAMES, planImage, sinkFamily } from "./plan.ts";
import { remakeLayer } from "./remake-layer.ts";
import { blaming } from "./source-damage.ts";
import { unpackedBeside } from "./unpack-beside.ts";

const CONFIG_BYTES = 16 << 20;
const BLOBS_AT_ONCE = 4;
/** An encoder holds some 40 MB, and uses more than one processor. */
const REMADE_AT_ONCE = 2;

/** Sends config and layers; gives back the manifest, which the caller sends. Throws `ARCHIVE_INVALID` when the image does not hold together. */
export async function copyManifest(work: CopyWork, document: Document, manifest: ImageManifest): Promise<Document> {
  if (!isImageManifest(manifest)) return await copyArtifact(work, document, manifest);
  const { source, sink, forms, options } = work;
  const plan = planImage(manifest, source.isDerived ?? false, forms, options, {
    source: source.name,
    sink: sink.name,
  });
  const configBytes = await readConfig(work, manifest.config);
  const before = await check(work, document, configBytes, new Map(), "absent");
  const what = formatPlatform(before.platform);
  if (!forms.keepsManifest) refuseChange(work, what, [`${sink.name} keeps no manifest`]);
  if (source.isDerived !== true) refuseChange(work, what, plan.reasons);

  const layers = await copyLayers(work, manifest, plan, before.config.rootfs.diff_ids);
  const made = plan.isVerbatim ? document : converted(document, manifest, layers, plan);
  const config = plan.isVerbatim ? manifest.config : { ...manifest.config, mediaType: configMediaType(plan.family) };
  await move(work, "", config, async () => {
    if (!(await sink.has(config, work.signal)))
      await sink.putBlob(config, () => oneChunk(configBytes), work.signal, notesOn(config, source, options.notes));
    await noteHolder(work, config);
    return config;
  });
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  const { platform, imageId } = await check(work, made, configBytes, sizes, "present");
  work.images.push({ platform, imageId, descriptor: made.descriptor });
  const [from, to] = [document.descriptor.digest, made.descriptor.digest];
  if (from !== to && source.isDerived !== true && forms.keepsManifest)
    work.changes.push({ what, from, to, reasons: plan.reasons });
  return made;
}

async function copyArtifact(work: CopyWork, document: Document, manifest: ImageManifest): Promise<Document> {
  const { source, sink, forms, options, signal } = work;
  const what = `${source.name}: ${document.descriptor.digest} is no image but an artifact ("${manifest.artifactType ?? manifest.config.mediaType}")`;
  if (!forms.artifacts) throw new BuildError("UNSUPPORTED", `${what}, and ${sink.name} holds images only`);
  const own = familyOf(manifest.mediaType);
  const family = sinkFamily(own, false, forms, options);
  if (family !== own) {
    throw new BuildError("UNSUPPORTED", `${what}, which ${FAMILY_NAMES[family]} has no form for`, {
      hint: "copy a single platform, or leave --format away",
    });
  }
  await inParallel([manifest.config, ...manifest.layers], sink.isSequential === true ? 1 : BLOBS_AT_ONCE, (blob) =>
    failing(work, blob, () =>
      move(work, "as it is", blob, () => send(work, blob, blob, () => source.blob(blob, signal))),
    ),
  );
  return document;
}

async function copyLayers(
  work: CopyWork,
  manifest: ImageManifest,
  plan: ImagePlan,
  diffIds: readonly Digest[],
): Promise<readonly Descriptor[]> {
  const made: Descriptor[] = [];
  await inParallel([...manifest.layers.entries()], layersAtOnce(work, plan), ([place, layer]) =>
    failing(work, layer, async () => {
      const diffId = diffIds[place] as Digest; // the image was checked: there are as many
      made[place] = await copyLayer(work, layer, plan, plan.layers[place], diffId);
    }),
  );
  return made;
}

function layersAtOnce({ sink, options }: CopyWork, { layers }: ImagePlan): number {
  if (sink.isSequential === true) return 1;
  if (options.layersAtOnce !== undefined) return options.layersAtOnce;
  return layers.some((form) => form !== undefined) ? REMADE_AT_ONCE : BLOBS_AT_ONCE;
}

async function copyLayer(
  work: CopyWork,
  layer: Descriptor,
  plan: ImagePlan,
  form: CompressionOptions | undefined,
  diffId: Digest,
): Promise<Descriptor> {
  const { source, options, signal } = work;
  const { limits, checkLayers, temporaryDirectory } = options;
  if (form === undefined) {
    const mediaType = plan.isVerbatim
      ? layer.mediaType
      : layerMediaType(compressionOf(layer.mediaType) ?? "gzip", plan.family);
    const target = { ...layer, mediaType };
    const bytes = (): AsyncIterable<Uint8Array> => source.blob(layer, signal);
    const open = (): AsyncIterable<Uint8Array> =>
      checkLayers ? unpackedBeside(bytes(), layer, diffId, limits, source.name) : bytes();
    return await move(work, "as it is", target, () => send(work, layer, target, open));
  }
  const key = `${form.compression} ${form.level ?? ""} ${form.encoder ?? ""} ${plan.family}`;
  return await move(work, key, layer, async () => {
    const remake = { to: form, family: plan.family, diffId, limits, temporaryDirectory: await temporaryDirectory() };
    await using remade = await remakeLayer(
      source,
      layer,
      { ...remake, onRead: reading(options.onStatus, layer) },
      signal,
    );
    return await send(work, layer, remade.descriptor, () => remade.open(signal));
  });
}

/** Tells of a layer's bytes while they are made into another one. */
function reading(onStatus: StatusSink, { digest, size }: Descriptor): (bytes: number) => void {
  let current = 0;
  return (bytes) => onStatus({ digest, current: (current += bytes), total: size, done: false });
}

/** Equal blobs in an equal form are moved once, whoever asks. */
function move(
  work: CopyWork,
  form: string,
  { digest, mediaType }: Descriptor,
  body: () => Promise<Descriptor>,
): Promise<Descriptor> {
  const key = `${digest} ${mediaType} ${form}`;
  const known = work.moved.get(key);
  if (known !== undefined) return known;
  const started = body();
  work.moved.set(key, started);
  return started;
}

/** Sends a blob where it is not there; `told` is what progress calls it. */
async function send(
  work: CopyWork,
  told: Descriptor,
  blob: Descriptor,
  open: () => AsyncIterable<Uint8Array>,
): Promise<Descriptor> {
  const { sink, source, options, signal } = work;
  const { onStatus, notes, checkLayers } = options;
  const status = (current: number, done: boolean): void =>
    onStatus({ digest: told.digest, current, total: blob.size, done });
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    let current = 0;
    // A registry checks what it gets, but it would be blamed for what the source gave.
    const isOwed = sink.forms === undefined && source.isVerified !== true;
    const chunks = isOwed ? verified(blob, open(), source.name) : open();
    for await (const chunk of chunks) {
      current += chunk.length;
      status(current, false);
      const isGarbage = !isLent(chunk);
      yield chunk;
      if (isGarbage) notePassed(chunk.length);
    }
  };
  if (!(await sink.has(blob, signal))) {
    const isStraight = told.digest === blob.digest && source.blobFrom !== undefined && !checkLayers;
    if (isStraight && sink.fetchBlob !== undefined) await sink.fetchBlob(source, blob, signal, onStatus);
    else await sink.putBlob(blob, counted, signal, notesOn(blob, source, notes));
  }
  await noteHolder(work, blob);
  status(blob.size, true);
  return blob;
}

/** The registry's other repositories can have a blob from this one. */
async function noteHolder({ sink, options }: CopyWork, { digest }: Descriptor): Promise<void> {
  const holder = await sink.heldAs?.();
  if (holder !== undefined) await options.notes?.addHolder(digest, holder);
}

/** What is known of a blob's other places: those that the source is sure of come first. */
function notesOn(blob: Descriptor, source: ImageSource, notes: BlobNotes | undefined): BlobNotes {
  return {
    holders: async (digest) => [...(source.heldAt?.(blob) ?? []), ...((await notes?.holders(digest)) ?? [])],
    addHolder: async (digest, repository) => await notes?.addHolder(digest, repository),
    upload: async (digest, repository) => await notes?.upload(digest, repository),
    setUpload: async (digest, repository, url) => await notes?.setUpload(digest, repository, url),
  };
}

/** What is done for a blob of the source; with it, everything fails. */
async function failing<T>(work: CopyWork, blob: Descriptor, body: () => Promise<T>): Promise<void> {
  try {
    await blaming(work.source, blob, work.options.signal, body);
  } catch (error) {
    work.fail();
    throw error;
  }
}

async function readConfig({ source, signal }: CopyWork, config: Descriptor): Promise<Uint8Array> {
  const bytes = await collect(source.blob(config, signal), CONFIG_BYTES, `${source.name}: config ${config.digest}`);
  verifyBytes(config, bytes, source.name);
  return bytes;
}

function converted(
  document: Document,
  manifest: ImageManifest,
  layers: readonly Descriptor[],
  plan: ImagePlan,
): Document {
  const { bytes, descriptor } = convertManifest(manifest, layers, plan.family);
  return { bytes, descriptor: { ...document.descriptor, ...descriptor } };
}

/** Holds an image against itself: of layers only the sizes, since their bytes have been checked on the way. */
async function check(
  { source, signal }: CopyWork,
  document: Document,
  configBytes: Uint8Array,
  sizes: ReadonlyMap<Digest, number>,
  layers: "absent" | "present",
): Promise<ValidImage> {
  const reader: BlobReader = {
    read: async (digest) => (digest === document.descriptor.digest ? document.bytes : configBytes),
    sizeOf: async (digest) => sizes.get(digest),
    open: () => {
      throw new BuildError("INTERNAL", "layers are not read again");
    },
  };
  try {
    return await validateImage(document.descriptor, reader, { layers, signal });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError(error.code, `${source.name}: ${error.message}`, { cause: error, hint: error.hint });
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

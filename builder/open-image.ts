// An image by whatever a person calls it: a name or a digest in the local store, or a place and a name there. What comes
// out can be read, wherever it is; nothing is brought into the store for it.

import type { Descriptor } from "./core/image/descriptor.ts";
import { MEDIA } from "./core/image/descriptor.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageConfig } from "./core/image/image-config.ts";
import type { ImageLocation } from "./core/image/image-location.ts";
import { locationInName } from "./core/image/image-location.ts";
import type { Platform } from "./core/image/platform.ts";
import { formatPlatform, hostPlatform } from "./core/image/platform.ts";
import type { ExpandName } from "./core/image/reference.ts";
import type { DaemonEndpoint } from "./core/session.ts";
import type { ImageIndex } from "./image/index.ts";
import { chooseManifest, isImageEntry } from "./image/index.ts";
import type { ImageManifest } from "./image/manifest.ts";
import type { ImageDocument } from "./image/read.ts";
import { parseConfig, parseDocument } from "./image/read.ts";
import type { UnpackLimits } from "./layer/unpack-limits.ts";
import { DEFAULT_LIMITS } from "./layer/unpack-limits.ts";
import { openStore } from "./store/open.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import type { ImageSource } from "./transport/source.ts";
import { collect, verifyBytes } from "./transport/source.ts";

/** Where images are looked for. */
export interface ImagePlaces {
  /** Root of the store, absolute. */
  readonly root: string;
  readonly registry: RegistryOptions;
  readonly daemon: () => Promise<DaemonEndpoint>;
  /** What a name stands for that the store does not have; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  /** How much layers and archives may unpack to; undefined: the defaults. */
  readonly limits?: UnpackLimits | undefined;
}

/** Bytes that are a manifest or an index, read and verified. */
export interface OpenedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ImageDocument;
}

/** An image that can be read; dispose it to close its place. */
export interface OpenedImage extends AsyncDisposable {
  /** For messages. */
  readonly name: string;
  readonly source: ImageSource;
  /** What the local store calls it. */
  readonly names: readonly string[];
  /** Its layers are not on this machine: reading them costs a download. */
  readonly isRemote: boolean;
  /** What the name points to. */
  readonly top: OpenedDocument;
}

/** The image of one platform. */
export interface PlatformImage {
  readonly opened: OpenedImage;
  readonly manifest: OpenedDocument & { readonly manifest: ImageManifest };
  /** Absent of an artifact, which is no image. */
  readonly config: { readonly bytes: Uint8Array; readonly config: ImageConfig } | undefined;
}

/** Opens what a text names; see docs/manual.md, "Names of images". Throws `INPUT_MISSING`, `USAGE`, and what its place throws. */
export async function openImage(text: string, places: ImagePlaces, signal: AbortSignal): Promise<OpenedImage> {
  const { source, location } = await openPlace(text, places, signal);
  try {
    const { descriptor, bytes } = await source.top(signal);
    verifyBytes(descriptor, bytes, source.name);
    const document = parseDocument(bytes, `${source.name} (${descriptor.digest})`, descriptor.mediaType);
    return {
      name: source.name,
      source,
      top: { descriptor, bytes, document },
      names: location.transport === "store" ? await namesInStore(places.root, descriptor) : [],
      isRemote: location.transport === "docker",
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The image for a platform; without one that of this machine, or the only one there is. Throws `INPUT_MISSING` and says
 * which platforms there are.
 */
export async function imageFor(
  opened: OpenedImage,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<PlatformImage> {
  let current = opened.top;
  for (let depth = 0; current.document.kind === "index"; depth++) {
    if (depth === MAX_DEPTH)
      throw new BuildError("ARCHIVE_INVALID", `${opened.name} nests indexes more than ${MAX_DEPTH} deep`);
    current = await readDocument(opened, choose(opened, current.document.index, platform), signal);
  }
  const { manifest } = current.document;
  const image = { opened, manifest: { ...current, manifest }, config: undefined };
  const { mediaType } = manifest.config;
  if (mediaType !== MEDIA.ociConfig && mediaType !== MEDIA.dockerConfig) return image;
  const bytes = await readBlob(opened, manifest.config, signal);
  return {
    ...image,
    config: { bytes, config: parseConfig(bytes, `config ${manifest.config.digest} of ${opened.name}`) },
  };
}

/** A manifest or index that another document of the image names, verified. */
export async function readDocument(
  opened: OpenedImage,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<OpenedDocument> {
  const bytes = await opened.source.document(descriptor, signal);
  verifyBytes(descriptor, bytes, opened.name);
  return {
    descriptor,
    bytes,
    document: parseDocument(bytes, `${opened.name} (${descriptor.digest})`, descriptor.mediaType),
  };
}

const MAX_DEPTH = 4;
const CONFIG_BYTES = 16 << 20;

/** A small blob, verified. */
export async function readBlob(opened: OpenedImage, blob: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await collect(opened.source.blob(blob, signal), CONFIG_BYTES, `${opened.name}: ${blob.digest}`);
  verifyBytes(blob, bytes, opened.name);
  return bytes;
}

function choose(opened: OpenedImage, index: ImageIndex, platform: Platform | undefined): Descriptor {
  const images = index.manifests.filter(isImageEntry);
  const [only] = images;
  if (platform === undefined && images.length === 1 && only !== undefined) return only;
  try {
    return chooseManifest(index, platform ?? hostPlatform(), opened.name);
  } catch (error) {
    if (!(error instanceof BuildError) || platform !== undefined || images.length === 0) throw error;
    throw new BuildError("INPUT_MISSING", error.message, { hint: `choose with --platform: ${platformsOf(images)}` });
  }
}

function platformsOf(images: readonly Descriptor[]): string {
  return images.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)])).join(", ");
}

/** An image's place, of which nothing has been read. */
export interface ImagePlace {
  readonly source: ImageSource;
  readonly location: ImageLocation;
}

/** The first half of `openImage`, for who verifies everything himself. */
export async function openPlace(text: string, places: ImagePlaces, signal: AbortSignal): Promise<ImagePlace> {
  const location = locationInName(text) ?? { transport: "store", image: text };
  const { openSource } = await import("./engine/images/locations.ts");
  const { registry, daemon, root, expandName, limits = DEFAULT_LIMITS } = places;
  const source = await openSource(location, {
    registry,
    daemon,
    store: () => openStore(root),
    temporaryDirectory: async () => {
      const { temporaryFolder } = await import("./engine/temporary-folder.ts");
      return await temporaryFolder(registry.environment ?? new Map());
    },
    limits,
    expandName,
    signal,
  });
  return { source, location };
}

async function namesInStore(root: string, top: Descriptor): Promise<readonly string[]> {
  const named = await (await openStore(root)).names.list();
  return named.filter(({ descriptor }) => descriptor.digest === top.digest).map(({ name }) => name);
}

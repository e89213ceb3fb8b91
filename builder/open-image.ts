// An image by whatever a person calls it: a name or a digest in the local store, or a place and a name there. What comes
// out can be read, wherever it is; nothing is brought into the store for it.

import type { Descriptor } from "./core/descriptor.ts";
import { MEDIA } from "./core/descriptor.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageConfig } from "./core/image-config.ts";
import type { Platform } from "./core/platform.ts";
import { formatPlatform, hostPlatform } from "./core/platform.ts";
import { parseReference } from "./core/reference.ts";
import type { ImageIndex } from "./image/index.ts";
import { chooseManifest, isImageEntry } from "./image/index.ts";
import type { ImageManifest } from "./image/manifest.ts";
import type { ImageDocument } from "./image/read.ts";
import { parseConfig, parseDocument } from "./image/read.ts";
import { openStore } from "./store/open.ts";
import { findStored } from "./stored-images.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import type { ImageSource } from "./transport/source.ts";
import { collect, verifyBytes } from "./transport/source.ts";

/** Where images are looked for. */
export interface ImagePlaces {
  /** Root of the store, absolute. */
  readonly root: string;
  readonly registry: RegistryOptions;
}

/** Bytes that are a manifest or an index, read and verified. */
export interface OpenedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ImageDocument;
}

/** An image that can be read; dispose it to close its place. */
export interface OpenedImage extends AsyncDisposable, ImagePlace {
  /** For messages. */
  readonly name: string;
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
  const { source, names, isRemote } = await openPlace(text, places);
  try {
    const { descriptor, bytes } = await source.top(signal);
    verifyBytes(descriptor, bytes, source.name);
    const document = parseDocument(bytes, `${source.name} (${descriptor.digest})`, descriptor.mediaType);
    return {
      name: source.name,
      source,
      top: { descriptor, bytes, document },
      names,
      isRemote,
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
  /** What the local store calls it. */
  readonly names: readonly string[];
  /** Its layers are not on this machine: reading them costs a download. */
  readonly isRemote: boolean;
}

/** The first half of `openImage`, for who verifies everything himself. */
export async function openPlace(text: string, places: ImagePlaces): Promise<ImagePlace> {
  const transport = /^(docker-archive|docker-daemon|docker|oci-archive|oci-layout|oci|dir|store):(.*)$/s.exec(text);
  if (transport === null) return await openStored(text, places);
  const [, name = "", rest = ""] = transport;
  switch (name) {
    case "docker": {
      if (!rest.startsWith("//")) {
        throw new BuildError("USAGE", `"${text}" is not an image name`, { hint: `write docker://${rest}` });
      }
      const { openRegistry } = await import("./transport/registry/source.ts");
      const source = await openRegistry(parseReference(rest.slice(2)), places.registry);
      return { source, names: [], isRemote: true };
    }
    case "oci":
    case "oci-layout": {
      const { openOciLayout } = await import("./transport/oci-layout.ts");
      const { path, reference, digest } = splitPath(name === "oci-layout" ? rest.replace(/^\/\//, "") : rest);
      return { source: await openOciLayout(path, { tag: reference, digest }), names: [], isRemote: false };
    }
    case "oci-archive":
    case "docker-archive": {
      const { openDockerArchive } = await import("./transport/docker-archive.ts");
      const { path, reference } = splitPath(rest);
      return { source: await openDockerArchive(path, { tag: reference }), names: [], isRemote: false };
    }
    case "store":
      return await openStored(rest, places);
    default:
      throw new BuildError("UNSUPPORTED", `"${name}:" cannot be read yet`);
  }
}

async function openStored(text: string, places: ImagePlaces): Promise<ImagePlace> {
  const store = await openStore(places.root);
  const found = await findStored(store, text);
  if (found === undefined) {
    throw new BuildError("INPUT_MISSING", `there is no image "${text}" in the store "${places.root}"`, {
      hint: `\`tsbuild images\` lists what is there; docker://${text} names one of a registry`,
    });
  }
  const { storedImage } = await import("./transport/local-store.ts");
  return { source: storedImage(store, found.descriptor, text), names: found.names, isRemote: false };
}

/** `path`, `path:name`, `path@sha256:…`: a path has no colon. */
function splitPath(text: string): { path: string; reference: string | undefined; digest: string | undefined } {
  const [, path = "", reference, digest] = /^([^:@]*)(?::([^@]*))?(?:@(.*))?$/s.exec(text) ?? [];
  if (path === "") throw new BuildError("USAGE", `"${text}" names no path`);
  return { path, reference: reference || undefined, digest };
}

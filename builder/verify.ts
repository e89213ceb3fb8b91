// Is a build reproducible? It is made twice, or once and held against an image, each time
// without what any cache knows and in a store of its own.

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "./build.ts";
import type { Difference } from "./engine/images/compare-images.ts";
import { compareImages } from "./engine/images/compare-images.ts";
import { bytePath } from "./core/bytes/byte-path.ts";
import type { Compression } from "./core/image/descriptor.ts";
import { compressionOf, MEDIA } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { EventSink } from "./core/events.ts";
import { removeTree } from "./core/system/remove-tree.ts";
import type { ImagePlaces, OpenedImage } from "./open-image.ts";
import { imageFor, openImage } from "./open-image.ts";
import { daemonOf, registryOptions } from "./registry-options.ts";
import type { BuildRequest, ImageOptions } from "./request.ts";
import { temporaryPath } from "./store/temporary.ts";

export type { Difference } from "./engine/images/compare-images.ts";

/** What came out. */
export interface Verification {
  readonly a: VerifiedSide;
  readonly b: VerifiedSide;
  /** None: the images are the same, byte for byte. */
  readonly differences: readonly Difference[];
}

export interface VerifiedSide {
  /** An image's name, or "build 1". */
  readonly name: string;
  /** Of what the name points to. */
  readonly digest: Digest;
}

export interface VerifyOptions {
  /** An image to hold the build against; undefined: the build is made twice. */
  readonly image: string | undefined;
  /** Does a build, shown to people; `number` counts from 1. */
  readonly build: <T>(number: number, work: (events: EventSink) => Promise<T>) => Promise<T>;
}

/**
 * Verifies a request; its outputs say nothing but how the image looks. Unless it has a time of its own, a build that is
 * held against an image has the time of that image, and one that is made twice the first second of 1970.
 */
export async function verify(
  request: BuildRequest,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verification> {
  if (request.context.kind === "stream" || request.dockerfile.kind === "stream") {
    throw new BuildError("USAGE", "a build from standard input cannot be verified: it can be read once only", {
      hint: "unpack it into a folder",
    });
  }
  const work = temporaryPath(join(request.root, "tsbuild/work"), "verify");
  mkdirSync(dirname(work), { recursive: true });
  try {
    await using images = new AsyncDisposableStack();
    const places = placesOf(request, request.root);
    const given = options.image === undefined ? undefined : images.use(await openImage(options.image, places, signal));
    const look = given === undefined ? undefined : await lookOf(given, signal);
    const make = async (number: number): Promise<OpenedImage> =>
      images.use(await buildOnce(request, look, join(work, `${number}`), number, options, signal));
    const [a, b] = given === undefined ? [await make(1), await make(2)] : [given, await make(1)];
    const side = (image: OpenedImage, number: number): VerifiedSide => ({
      name: image === given ? image.name : `build ${given === undefined ? number : 1}`,
      digest: image.top.descriptor.digest,
    });
    return { a: side(a, 1), b: side(b, 2), differences: await compareImages(a, b, request.root, signal) };
  } finally {
    removeTree(bytePath(work));
  }
}

/** What an image says of how it was made. */
interface ImageLook {
  readonly mediaTypes: "oci" | "docker";
  readonly compression: Compression;
  readonly createdSeconds: number | undefined;
}

async function lookOf(image: OpenedImage, signal: AbortSignal): Promise<ImageLook> {
  const { manifest, config } = await imageFor(image, undefined, signal);
  const top = manifest.manifest.layers.at(-1);
  const created = Date.parse(config?.config.created ?? "");
  return {
    mediaTypes: manifest.manifest.mediaType === MEDIA.dockerManifest ? "docker" : "oci",
    compression: (top && compressionOf(top.mediaType)) ?? "gzip",
    createdSeconds: Number.isNaN(created) ? undefined : Math.floor(created / 1000),
  };
}

const NAME = "verify.invalid/build:latest";

function placesOf(request: BuildRequest, root: string): ImagePlaces {
  return { root, registry: registryOptions(request), daemon: () => daemonOf(request), expandName: request.expandName };
}

async function buildOnce(
  request: BuildRequest,
  look: ImageLook | undefined,
  root: string,
  number: number,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const asked = request.exports.find((output) => "image" in output)?.image;
  if (asked === undefined) throw new BuildError("INTERNAL", "a build that makes no image is to be verified");
  const image: ImageOptions = {
    ...asked,
    ...(look === undefined ? {} : { mediaTypes: look.mediaTypes, compression: look.compression }),
    names: [NAME],
  };
  const hasTime = request.epochSeconds !== undefined || request.buildArgs.has("SOURCE_DATE_EPOCH");
  const own: BuildRequest = {
    ...request,
    root,
    otherRoots: [request.root],
    noCache: true,
    exports: [{ type: "image", image, push: false, pushByDigest: false, store: true }],
    ...(hasTime ? {} : { epochSeconds: look?.createdSeconds ?? 0 }),
  };
  await options.build(number, (events) => build({ ...own, events }, signal));
  return await openImage(`store:${NAME}`, placesOf(request, root), signal);
}

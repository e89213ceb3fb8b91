// An image for commands that make something of its files: from the store, a layout, an archive, or pulled. What describes
// it is brought into the store, and its layers when they are wanted.

import { digestOf } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { Reference } from "./core/reference.ts";
import { formatReference, parseReference } from "./core/reference.ts";
import type { Engine } from "./engine.ts";
import { told } from "./internal-steps.ts";
import { layersOf } from "./image-layers.ts";
import type { ImagePlaces } from "./open-image.ts";
import { openPlace } from "./open-image.ts";
import { registryOptions } from "./registry-options.ts";
import type { ImageRequest } from "./run-request.ts";
import type { Ref } from "./snapshot/ref.ts";
import { findStored } from "./stored-images.ts";
import { storedImage } from "./transport/local-store.ts";
import type { PulledImage } from "./transport/pull.ts";
import { pullImage } from "./transport/pull.ts";
import type { ImageSource } from "./transport/source.ts";

/** An image whose config is known. Closing it closes its place. */
export interface ImageForUse extends AsyncDisposable {
  readonly image: PulledImage;
  readonly ref: Ref;
  /** Does what needs the layers; tells of it as a pull, and names the image in the store, where they come from a registry. */
  use<T>(work: () => Promise<T>): Promise<T>;
}

/** Finds the image. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function imageForUse(engine: Engine, request: ImageRequest, signal: AbortSignal): Promise<ImageForUse> {
  const { source, pulledFrom } = await findSource(engine, request);
  await using undo = new AsyncDisposableStack();
  undo.use(source);
  const find = (): Promise<PulledImage> => pullImage(source, request.platform, engine.store, signal);
  const image = pulledFrom === undefined ? await find() : await told(request, `find ${request.image}`, find);
  const ref = { layers: layersOf(image, engine.layers) };
  const held = undo.move();
  return {
    image,
    ref,
    async use(work) {
      if (pulledFrom === undefined) return await work();
      const vertex = digestOf(`pull ${image.descriptor.digest}`);
      const result = await told(request, `pull ${request.image}`, work, vertex);
      await engine.store.names.tag(formatReference(pulledFrom), image.descriptor);
      return result;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Found {
  readonly source: ImageSource;
  /** The name under which a registry has it. */
  readonly pulledFrom: Reference | undefined;
}

const IN_REGISTRY = "docker://";
/** Places that are written before a name. "docker:27" and the like are names. */
const ELSEWHERE = /^(?:oci|oci-layout|oci-archive|docker-archive|docker-daemon|dir|store):/;

async function findSource(engine: Engine, request: ImageRequest): Promise<Found> {
  const { image, pull, expandName } = request;
  const places: ImagePlaces = { root: request.root, registry: registryOptions(request) };
  if (ELSEWHERE.test(image)) return { source: (await openPlace(image, places)).source, pulledFrom: undefined };
  const isInRegistry = image.startsWith(IN_REGISTRY);
  const name = isInRegistry ? image.slice(IN_REGISTRY.length) : image;
  const asksFirst = pull === "always" || (isInRegistry && pull !== "never");
  const stored = asksFirst ? undefined : await findStored(engine.store, name);
  if (stored !== undefined)
    return { source: storedImage(engine.store, stored.descriptor, name), pulledFrom: undefined };
  if (pull === "never" || isDigestOnly(name)) {
    throw new BuildError("INPUT_MISSING", `there is no image "${name}" in the store "${request.root}"`, {
      hint: "`tsbuild images` lists what is there",
    });
  }
  const reference = parseReference(isInRegistry ? name : ((await expandName?.(name)) ?? name));
  const { openRegistry } = await import("./transport/registry/source.ts");
  return { source: await openRegistry(reference, places.registry), pulledFrom: reference };
}

/** An image id is nothing that a registry could be asked for. */
function isDigestOnly(name: string): boolean {
  return /^(?:sha256:)?[0-9a-f]{64}$/.test(name);
}

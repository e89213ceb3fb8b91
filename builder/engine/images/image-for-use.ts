// An image for commands that make something of its files: from the store, a layout, an archive, or pulled. What describes
// it is brought into the store, and its layers when they are wanted.

import { digestOf } from "../../core/digest.ts";
import { locationInName } from "../../core/image/image-location.ts";
import type { Reference } from "../../core/image/reference.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { Engine } from "../../engine.ts";
import { told } from "../internal-steps.ts";
import { unknownImage } from "./kept-images.ts";
import { layersOf } from "./image-layers.ts";
import type { ImagePlaces } from "../../open-image.ts";
import { openPlace } from "../../open-image.ts";
import { daemonOf, registryOptions } from "../../registry-options.ts";
import type { ImageRequest } from "../../run-request.ts";
import type { Ref } from "../../snapshot/ref.ts";
import { findStored } from "./stored-images.ts";
import { storedImage } from "../../transport/local-store.ts";
import type { PulledImage } from "../../transport/pull.ts";
import { pullImage } from "../../transport/pull.ts";
import type { RegistryOptions } from "../../transport/registry/client.ts";
import type { ImageSource } from "../../transport/source.ts";
import { holdsPlatform } from "./whole-images.ts";

/** An image whose config is known. Closing it closes its place. */
export interface ImageForUse extends AsyncDisposable {
  readonly image: PulledImage;
  readonly ref: Ref;
  /** Does what needs the layers; tells of it as a pull, and names the image in the store, where they come from a registry. */
  use<T>(work: () => Promise<T>): Promise<T>;
}

/** Finds the image. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function imageForUse(engine: Engine, request: ImageRequest, signal: AbortSignal): Promise<ImageForUse> {
  const { source, isPulled, name } = await findSource(engine, request, signal);
  await using undo = new AsyncDisposableStack();
  undo.use(source);
  const find = (): Promise<PulledImage> => pullImage(source, request.platform, engine.store, signal);
  const image = isPulled ? await told(request, `find ${request.image}`, find) : await find();
  const ref = { layers: layersOf(image, engine.layers) };
  const held = undo.move();
  return {
    image,
    ref,
    async use(work) {
      if (!isPulled) return await work();
      const vertex = digestOf(`pull ${image.descriptor.digest}`);
      const result = await told(request, `pull ${request.image}`, work, vertex);
      if (name !== undefined) await engine.store.names.tag(name, image.descriptor);
      return result;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Found {
  readonly source: ImageSource;
  /** It comes from a registry. */
  readonly isPulled: boolean;
  /** What the store is to call it then. */
  readonly name?: string;
}

async function findSource(engine: Engine, request: ImageRequest, signal: AbortSignal): Promise<Found> {
  const { image, pull, expandName } = request;
  const registry = registryOptions(request);
  const location = locationInName(image);
  const isInRegistry = location?.transport === "docker";
  if (location !== undefined && !isInRegistry) {
    const { root, limits } = request;
    const places: ImagePlaces = { root, registry, daemon: () => daemonOf(request), expandName, limits };
    return { source: (await openPlace(image, places, signal)).source, isPulled: false };
  }
  const name = isInRegistry ? formatReference(location.reference) : image;
  const asksFirst = pull === "always" || (isInRegistry && pull !== "never");
  const stored = asksFirst ? undefined : await findStored(engine.store, name, expandName);
  if (stored !== undefined) {
    const { descriptor } = stored;
    const isThere = stored.names.length === 0 || (await holdsPlatform(engine.store, descriptor, request.platform));
    if (isThere || pull === "never") return { source: storedImage(engine.store, descriptor, name), isPulled: false };
    // Other platforms of it were pulled: this one comes from where those did, and the name stays with all of them.
    const reference = { ...parseReference(stored.names[0] ?? name), digest: descriptor.digest };
    return { source: await fromRegistry(reference, registry), isPulled: true };
  }
  if (pull === "never" || isDigestOnly(name)) {
    throw unknownImage(engine.store, name);
  }
  const reference = parseReference(isInRegistry ? name : ((await expandName?.(name)) ?? name));
  return { source: await fromRegistry(reference, registry), isPulled: true, name: formatReference(reference) };
}

async function fromRegistry(reference: Reference, registry: RegistryOptions): Promise<ImageSource> {
  const { openRegistry } = await import("../../transport/registry/source.ts");
  return await openRegistry(reference, registry);
}

/** An image id is nothing that a registry could be asked for. */
function isDigestOnly(name: string): boolean {
  return /^(?:sha256:)?[0-9a-f]{64}$/.test(name);
}

// Where a base image is looked for: this store, other stores, a folder of warmed images, a registry; a layout or an archive.

import type { Digest } from "../../core/digest.ts";
import type { ImageLocation } from "../../core/image/image-location.ts";
import type { Platform } from "../../core/image/platform.ts";
import type { ExpandName, Reference } from "../../core/image/reference.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { Engine } from "../../engine.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import { DEFAULT_LIMITS } from "../../layer/unpack-limits.ts";
import type { SourcePolicy } from "../../source/source-policy.ts";
import { openStore } from "../../store/open.ts";
import { storeSource } from "../../transport/local-store.ts";
import type { RegistryOptions } from "../../transport/registry/client.ts";
import type { ImageSource } from "../../transport/source.ts";
import type { StepClock } from "../internal-steps.ts";
import type { LocationAccess } from "./locations.ts";
import type { WarmedFolder } from "./warmed-images.ts";
import { holdsPlatform } from "./whole-images.ts";

export interface BaseImageOptions {
  readonly engine: Engine;
  /** Ask the registry even for names that are in the store. */
  readonly pull: boolean;
  readonly registry: RegistryOptions;
  readonly daemon: LocationAccess["daemon"];
  /** Of archives that images are in. */
  readonly limits?: UnpackLimits | undefined;
  /** Who is told of layers that come. */
  readonly clock?: StepClock | undefined;
  /** What a name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  /** Roots of other stores, whose names count where this one has none. */
  readonly otherRoots?: readonly string[];
  /** Which images may be had, and by what they are replaced. */
  readonly policies?: readonly SourcePolicy[] | undefined;
  /** A folder of images that were warmed. */
  readonly warmed?: WarmedFolder | undefined;
}

/** Where a name leads: this store, another one, a folder of warmed images, its registry. */
export async function openNamed(
  options: BaseImageOptions,
  reference: Reference,
  platform: Platform,
  pinned: Digest | undefined,
  isPulled: boolean,
  signal: AbortSignal,
): Promise<ImageSource> {
  const { engine, registry, warmed, clock } = options;
  let digest = pinned ?? reference.digest;
  const name = formatReference(reference);
  for (const store of isPulled ? [] : [engine.store, ...(await storesAt(options.otherRoots))]) {
    const found = await store.names.resolve(name);
    if (found === undefined || (pinned !== undefined && found.digest !== pinned)) continue;
    if (await holdsPlatform(store, found, platform)) return storeSource(store, name);
    // Other platforms of it were pulled: this one comes from where those did.
    digest ??= found.digest;
  }
  const wanted = digest === undefined ? reference : { ...reference, digest };
  // HTTP is loaded when something is fetched: it costs more than a build of which everything is known.
  if (warmed !== undefined && clock !== undefined) {
    const { warmedImage } = await import("./warmed-images.ts");
    const lookup = { folder: warmed, platform, now: clock.now, signal };
    const found = await warmedImage(wanted, registry, lookup, clock.events);
    if (found !== undefined) return found;
  }
  const { openRegistry } = await import("../../transport/registry/source.ts");
  return await openRegistry(wanted, registry);
}

/** Opens a layout or an archive. */
export async function openLocation(
  options: BaseImageOptions,
  location: ImageLocation,
  signal: AbortSignal,
): Promise<ImageSource> {
  const { engine, registry, daemon, limits = DEFAULT_LIMITS } = options;
  const { openSource } = await import("./locations.ts");
  return await openSource(location, {
    registry,
    daemon,
    store: async () => engine.store,
    temporaryDirectory: async () => engine.layers.place.workDirectory,
    limits,
    signal,
  });
}

async function storesAt(roots: readonly string[] = []): Promise<readonly Engine["store"][]> {
  return await Promise.all(roots.map((root) => openStore(root)));
}

/** What a name in a Dockerfile stands for: what is in the store under docker's reading of a name comes before any other one. */
export async function referenceOf(options: BaseImageOptions, name: string): Promise<Reference> {
  const { expandName, engine } = options;
  const reference = parseReference(name);
  if (expandName === undefined || (await engine.store.names.resolve(formatReference(reference))) !== undefined)
    return reference;
  return parseReference(await expandName(name));
}

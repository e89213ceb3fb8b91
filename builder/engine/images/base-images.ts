// Base images: a name and a platform to a config at once, and to layers when somebody
// wants them. Where an image is looked for stands in base-image-sources.ts.

import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { formatLocation } from "../../core/image/image-location.ts";
import type { Platform } from "../../core/image/platform.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { Reference } from "../../core/image/reference.ts";
import { formatReference } from "../../core/image/reference.ts";
import type { ResolvedImage } from "../../dockerfile/convert/plan.ts";
import { layersOf } from "./image-layers.ts";
import { type BaseImageOptions, openLocation, openNamed, referenceOf } from "./base-image-sources.ts";
import { MOST_CONVERSIONS, type PolicedImage, policedImage, policedLayout } from "./policed-images.ts";
import { PullProgress } from "./pull-progress.ts";
import type { ContextSpec } from "../../request.ts";
import type { Ref, StoredLayer } from "../../snapshot/ref.ts";
import type { PulledImage } from "../../transport/pull.ts";
import { pullImage } from "../../transport/pull.ts";
import type { ImageSource } from "../../transport/source.ts";

/** A context that names an image. */
export type ImageContext = Extract<ContextSpec, { kind: "image" | "location" | "client-image" }>;

/** What a name must stand for, where a lock file says so. */
export interface ImagePin {
  /** Of the index or the manifest. */
  readonly digest: Digest;
  /** Of the platform's manifest. */
  readonly manifest: Digest;
}

/** Looks a name up in a lock file; throws when it is not there. */
export type PinImage = (reference: Reference, platform: Platform) => ImagePin | undefined;

/** An image that was asked for, and what it turned out to be. */
export interface ResolvedBase {
  /** The id of its source ops: the manifest's digest. */
  readonly id: Digest;
  /** Full reference; of a layout or an archive, what stands for one. */
  readonly name: string;
  /** As it was asked for. */
  readonly platform: Platform;
  /** What the name pointed to. */
  readonly top: Digest;
  readonly layers: number;
  /** From a layout or an archive. */
  readonly isLocal: boolean;
}

/** An image to be opened, under a key of its own. */
interface Asked {
  readonly key: string;
  readonly name: string;
  readonly platform: Platform;
  readonly open: () => Promise<ImageSource>;
  readonly pin?: ImagePin | undefined;
  readonly isLocal?: boolean;
}

interface Loaded {
  readonly progress: PullProgress;
  readonly source: ImageSource;
  readonly image: PulledImage;
  /** In the store's form, bottom first. */
  readonly layers: readonly StoredLayer[];
  readonly resolved: ResolvedImage;
}

/** The base images of one build, each opened once; disposing it closes their sources. */
export class BaseImages implements AsyncDisposable {
  readonly #options: BaseImageOptions;
  readonly #loaded = new Map<string, Promise<Loaded>>();
  readonly #byId = new Map<string, Loaded>();
  readonly #bases: ResolvedBase[] = [];
  #pin: PinImage | undefined;

  constructor(options: BaseImageOptions) {
    this.#options = options;
  }

  /** From here on names stand for what is said of them. */
  pin(pin: PinImage): void {
    this.#pin = pin;
  }

  /** What was asked for until now, each image once a platform. */
  get bases(): readonly ResolvedBase[] {
    return this.#bases;
  }

  /** An image by its name in a Dockerfile; `isPulled`: ask the registry even for what is in the store. Throws `INPUT_MISSING`, `REGISTRY`. */
  async byName(
    name: string,
    platform: Platform,
    signal: AbortSignal,
    isPulled = this.#options.pull,
  ): Promise<ResolvedImage> {
    const asked = await referenceOf(this.#options, name);
    const policed = await policedImage(this.#options.policies, formatReference(asked), isPulled);
    if (policed !== undefined) return await this.#policed(policed, platform, signal);
    return await this.#named(asked, platform, signal, isPulled);
  }

  /** An image that a policy lets pass by its name must also pass by what the name stands for. */
  async #policed({ name, isPulled }: PolicedImage, platform: Platform, signal: AbortSignal): Promise<ResolvedImage> {
    let image = await this.#named(await referenceOf(this.#options, name), platform, signal, isPulled);
    for (let count = 0; count < MOST_CONVERSIONS; count++) {
      const next = await policedImage(this.#options.policies, image.name, isPulled);
      if (next === undefined || next.name === image.name) return image;
      image = await this.#named(await referenceOf(this.#options, next.name), platform, signal, next.isPulled);
    }
    throw new BuildError("USAGE", `the source policy converts "${name}" without end`);
  }

  async #named(
    reference: Reference,
    platform: Platform,
    signal: AbortSignal,
    isPulled: boolean,
  ): Promise<ResolvedImage> {
    const full = formatReference(reference);
    const pin = reference.digest === undefined ? this.#pin?.(reference, platform) : undefined;
    const open = (): Promise<ImageSource> =>
      openNamed(this.#options, reference, platform, pin?.digest, isPulled, signal);
    return (await this.#load({ key: isPulled ? `${full} pulled` : full, name: full, platform, open, pin }, signal))
      .resolved;
  }

  /** An image that `--build-context` names. */
  async byContext(
    context: ImageContext,
    name: string,
    platform: Platform,
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    switch (context.kind) {
      case "image":
        return await this.byName(context.reference, platform, signal);
      case "location": {
        const { location } = context;
        const open = (): Promise<ImageSource> => openLocation(this.#options, location, signal);
        return (await this.#load({ key: formatLocation(location), name, platform, open, isLocal: true }, signal))
          .resolved;
      }
      case "client-image": {
        const { digest, store } = context;
        await policedLayout(this.#options.policies, `oci-layout://${name}@${digest}`);
        const open = async (): Promise<ImageSource> => {
          const { openClientImage } = await import("../../transport/client-store.ts");
          return openClientImage(store, digest, `the client's image ${digest}`);
        };
        return (await this.#load({ key: `client ${digest}`, name, platform, open, isLocal: true }, signal)).resolved;
      }
    }
  }

  /** The chain of an image's layers: equal for images with the same rootfs under whatever name. */
  key(id: string): Digest {
    return digestOf(
      `image ${this.#get(id)
        .image.layers.map((layer) => layer.diffId)
        .join(" ")}`,
    );
  }

  /** What an image is by its digests; undefined for one that was never asked for. */
  identity(
    id: string,
  ): { readonly top: Digest; readonly platform: Platform; readonly diffIds: readonly Digest[] } | undefined {
    const image = this.#byId.get(id)?.image;
    const base = this.#bases.find((one) => one.id === id);
    if (image === undefined || base === undefined) return undefined;
    return { top: base.top, platform: base.platform, diffIds: image.layers.map(({ diffId }) => diffId) };
  }

  /** The layers, in the store's form; their blobs come when they are first needed, and then belong to the step that asks here. */
  ref(id: string, step?: { readonly vertex: Digest; readonly name: string }): Ref {
    const { layers, progress } = this.#get(id);
    if (step !== undefined) progress.belongsTo(step.vertex, step.name);
    return { layers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const loaded of this.#byId.values()) await loaded.source[Symbol.asyncDispose]();
  }

  #get(id: string): Loaded {
    const loaded = this.#byId.get(id);
    if (loaded === undefined) throw new BuildError("INTERNAL", `the base image "${id}" was never resolved`);
    return loaded;
  }

  #load(asked: Asked, signal: AbortSignal): Promise<Loaded> {
    const id = `${asked.key} ${formatPlatform(asked.platform)}`;
    let loading = this.#loaded.get(id);
    if (!loading) {
      loading = this.#open(asked, signal);
      this.#loaded.set(id, loading);
    }
    return loading;
  }

  async #open({ name, platform, open, pin, isLocal = false }: Asked, signal: AbortSignal): Promise<Loaded> {
    const { clock = { events: () => undefined, now: () => 0 }, engine } = this.#options;
    const progress = new PullProgress(clock, name);
    const pull = async (): Promise<{ source: ImageSource; image: PulledImage }> => {
      const source = await open();
      return { source, image: await pullImage(source, platform, engine.store, signal, progress.sink) };
    };
    const { source, image } = await pull().catch((error: unknown) => {
      throw pin === undefined ? error : notAsLocked(name, pin, error);
    });
    if (pin !== undefined && image.descriptor.digest !== pin.manifest) {
      throw new BuildError(
        "DIGEST_INVALID",
        `${name} is ${image.descriptor.digest} for ${formatPlatform(platform)}, the lock file says ${pin.manifest}`,
      );
    }
    const layers = layersOf(image, engine.layers, (fetch) => progress.during(fetch));
    const loaded: Loaded = { progress, source, image, layers, resolved: describe(name, image) };
    this.#byId.set(loaded.resolved.id, loaded);
    const { descriptor, top } = image;
    this.#bases.push({ id: descriptor.digest, name, platform, top: top.digest, layers: layers.length, isLocal });
    return loaded;
  }
}

/** A registry that does not answer says nothing of the lock file; one that does not have the image does. */
function notAsLocked(name: string, { digest }: ImagePin, error: unknown): unknown {
  if (!(error instanceof BuildError) || error.code !== "INPUT_MISSING") return error;
  return new BuildError(
    error.code,
    `the lock file says that ${name} is ${digest}, which is not there: ${error.message}`,
    {
      cause: error,
      hint: "if another one is wanted, write the lock file anew with --lock",
    },
  );
}

/** What the conversion sees. The id is the manifest's digest: equal images are one vertex. */
function describe(name: string, image: PulledImage): ResolvedImage {
  const { config } = image;
  return {
    id: image.descriptor.digest,
    name: name.includes("@") ? name : `${name}@${image.top.digest}`,
    platform: image.platform,
    ...(config.author === undefined ? {} : { author: config.author }),
    ...(config["os.version"] === undefined ? {} : { osVersion: config["os.version"] }),
    ...(config["os.features"] === undefined ? {} : { osFeatures: config["os.features"] }),
    config: config.config ?? {},
    history: config.history ?? [],
    layers: image.layers.length,
  };
}

// Base images: a name and a platform to a config at once, and to layers when somebody
// wants them. Where an image is looked for: a named context, a layout or archive named
// in FROM, the local store, a registry.

import type { Digest } from "./core/digest.ts";
import { digestOf } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { Platform } from "./core/platform.ts";
import { formatPlatform } from "./core/platform.ts";
import type { Reference } from "./core/reference.ts";
import { formatReference, parseReference } from "./core/reference.ts";
import type { ResolvedImage } from "./dockerfile/convert/plan.ts";
import type { Engine } from "./engine.ts";
import type { ContextSpec } from "./request.ts";
import type { Ref, StoredLayer } from "./snapshot/ref.ts";
import { storeSource } from "./transport/local-store.ts";
import type { PulledImage } from "./transport/pull.ts";
import { pullImage } from "./transport/pull.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import type { ImageSource } from "./transport/source.ts";

/** A context that names an image. */
export type ImageContext = Extract<ContextSpec, { kind: "image" | "oci-layout" | "docker-archive" }>;

export interface BaseImagesOptions {
  readonly engine: Engine;
  /** Ask the registry even for names that are in the store. */
  readonly pull: boolean;
  readonly registry: RegistryOptions;
  /** What a name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ((name: string) => Promise<string>) | undefined;
}

interface Loaded {
  readonly source: ImageSource;
  readonly image: PulledImage;
  /** In the store's form, bottom first. */
  readonly layers: readonly StoredLayer[];
  readonly resolved: ResolvedImage;
}

/** The base images of one build, each opened once; disposing it closes their sources. */
export class BaseImages implements AsyncDisposable {
  readonly #options: BaseImagesOptions;
  readonly #loaded = new Map<string, Promise<Loaded>>();
  readonly #byId = new Map<string, Loaded>();

  constructor(options: BaseImagesOptions) {
    this.#options = options;
  }

  /** An image by its name in a Dockerfile. Throws `INPUT_MISSING`, `REGISTRY`. */
  async byName(name: string, platform: Platform, signal: AbortSignal): Promise<ResolvedImage> {
    const context = contextIn(name);
    if (context) return await this.byContext(context, name, platform, signal);
    const reference = await this.#referenceOf(name);
    const full = formatReference(reference);
    const open = async (): Promise<ImageSource> => {
      const stored = this.#options.pull ? undefined : await this.#options.engine.store.names.resolve(full);
      if (stored !== undefined) return storeSource(this.#options.engine.store, full);
      // HTTP is loaded when something is fetched: it costs more than a build of which everything is known.
      const { openRegistry } = await import("./transport/registry/source.ts");
      return await openRegistry(reference, this.#options.registry);
    };
    return (await this.#load(full, full, platform, open, signal)).resolved;
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
      case "oci-layout": {
        const { path, tag, digest } = context;
        return (
          await this.#load(
            `oci-layout:${path}:${tag ?? ""}@${digest ?? ""}`,
            name,
            platform,
            async () => (await import("./transport/oci-layout.ts")).openOciLayout(path, { tag, digest }),
            signal,
          )
        ).resolved;
      }
      case "docker-archive":
        return (
          await this.#load(
            `docker-archive:${context.path}:${context.tag ?? ""}`,
            name,
            platform,
            () => openArchive(context.path, context.tag),
            signal,
          )
        ).resolved;
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

  /** The layers, in the store's form; their blobs come when they are first needed. */
  ref(id: string): Ref {
    return { layers: this.#get(id).layers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const loaded of this.#byId.values()) await loaded.source[Symbol.asyncDispose]();
  }

  /** What is in the store under docker's reading of a name comes before any other one. */
  async #referenceOf(name: string): Promise<Reference> {
    const { expandName, engine } = this.#options;
    const reference = parseReference(name);
    if (expandName === undefined || (await engine.store.names.resolve(formatReference(reference))) !== undefined)
      return reference;
    return parseReference(await expandName(name));
  }

  #get(id: string): Loaded {
    const loaded = this.#byId.get(id);
    if (loaded === undefined) throw new BuildError("INTERNAL", `the base image "${id}" was never resolved`);
    return loaded;
  }

  #load(
    key: string,
    name: string,
    platform: Platform,
    open: () => Promise<ImageSource>,
    signal: AbortSignal,
  ): Promise<Loaded> {
    const id = `${key} ${formatPlatform(platform)}`;
    let loading = this.#loaded.get(id);
    if (!loading) {
      loading = this.#open(name, platform, open, signal);
      this.#loaded.set(id, loading);
    }
    return loading;
  }

  async #open(
    name: string,
    platform: Platform,
    open: () => Promise<ImageSource>,
    signal: AbortSignal,
  ): Promise<Loaded> {
    const source = await open();
    const image = await pullImage(source, platform, this.#options.engine.store, signal);
    // Known to the layer store from here on: a cached step may want the blob of a base layer that was never fetched.
    const layers: StoredLayer[] = [];
    for (const { descriptor, diffId } of image.layers) {
      const blob = { descriptor, diffId, uncompressedSize: 0 };
      layers.push(
        this.#options.engine.layers.ofImage(blob, layers.slice(), (_, fetchSignal) =>
          image.fetchLayer(descriptor, fetchSignal),
        ),
      );
    }
    const loaded: Loaded = { source, image, layers, resolved: describe(name, image) };
    this.#byId.set(loaded.resolved.id, loaded);
    return loaded;
  }
}

async function openArchive(path: string, tag: string | undefined): Promise<ImageSource> {
  const { openDockerArchive } = await import("./transport/docker-archive.ts");
  return await openDockerArchive(path, { tag });
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

/** `oci-layout://dir[:tag]` and `docker-archive:file` where a name is expected. */
function contextIn(name: string): ImageContext | undefined {
  if (name.startsWith("oci-layout://")) {
    const [, path = "", tag, digest] =
      /^oci-layout:\/\/(.*?)(?::([\w][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(name) ?? [];
    return {
      kind: "oci-layout",
      path,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    };
  }
  if (name.startsWith("docker-archive:")) return { kind: "docker-archive", path: name.slice("docker-archive:".length) };
  return undefined;
}

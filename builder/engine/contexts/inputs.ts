// The inputs of one build: the Dockerfile, the contexts, the base images. It answers the
// conversion's questions (ConvertWorld) and loads what source ops name (SourceLoader).

import type { ImageContext, PinImage, ResolvedBase } from "../images/base-images.ts";
import { BaseImages } from "../images/base-images.ts";
import type { EventSink } from "../../core/events.ts";
import type { Platform } from "../../core/image/platform.ts";
import type { ClientFolder } from "../../core/session.ts";
import type { FrontendChoice } from "../../dockerfile/frontend.ts";
import type { ConvertWorld, NamedContext, ResolvedImage } from "../../dockerfile/convert/plan.ts";
import type { Engine } from "../../engine.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { told } from "../internal-steps.ts";
import type { ContextWorld, DockerfileSource, GivenContext, MainContext } from "./world.ts";
import { openMainContext } from "./main-context.ts";
import { fullName, NamedContexts } from "./named-contexts.ts";
import type { Reader } from "../../ops/context-files.ts";
import type { SourceLoader } from "../../ops/engine-parts.ts";
import { daemonOf, registryOptions } from "../../registry-options.ts";
import type { BuildRequest, ExportSpec } from "../../request.ts";
import type { BlobOptions } from "../../snapshot/ref.ts";
import type { ResolvedSources, SourcePins } from "./source-trees.ts";
import { SourceTrees } from "./source-trees.ts";

export type { DockerfileSource } from "./world.ts";

/** Opens inputs when they are asked for, each once. */
export class InputLoader implements ConvertWorld, AsyncDisposable {
  readonly #engine: Engine;
  readonly #request: BuildRequest;
  readonly #signal: AbortSignal;
  readonly #images: BaseImages;
  readonly #trees: SourceTrees;
  readonly #world: ContextWorld;
  readonly #named: NamedContexts;
  #main: Promise<MainContext> | undefined;
  #files: Promise<NamedContext> | undefined;

  constructor(engine: Engine, request: BuildRequest, signal: AbortSignal) {
    this.#engine = engine;
    this.#request = request;
    this.#signal = signal;
    this.#images = new BaseImages({
      clock: request,
      engine,
      pull: request.pull,
      registry: registryOptions(request),
      expandName: request.expandName,
      otherRoots: request.otherRoots ?? [],
      warmed: request.warmed,
      policies: request.sourcePolicies,
      daemon: () => daemonOf(request),
      limits: request.limits,
    });
    this.#trees = new SourceTrees(engine, request, signal);
    const given: ContextWorld["given"] = async (spec, name) => await this.#given(spec, name);
    this.#world = { engine, request, trees: this.#trees, signal, given };
    this.#named = new NamedContexts(this.#world, this.#images);
  }

  /** Finds and reads the Dockerfile. Throws `INPUT_MISSING` with where it was looked for. */
  async dockerfile(): Promise<DockerfileSource> {
    return await (await this.#context()).dockerfile();
  }

  /** What the request says of frontends. */
  frontend(): FrontendChoice {
    const { buildArgs, hostPlatform } = this.#request;
    return {
      asked: buildArgs.get("BUILDKIT_SYNTAX"),
      replaced: (name) => this.#named.describe(name, hostPlatform),
    };
  }

  async resolveImage(name: string, platform: Platform, isPulled = this.#request.pull): Promise<ResolvedImage> {
    return await told(this.#request, `[internal] load metadata for ${fullName(name)}`, () =>
      this.#images.byName(name, platform, this.#signal, isPulled),
    );
  }

  /** An image that is given some other way than by its name alone. */
  async resolveGiven(spec: ImageContext, name: string, platform: Platform): Promise<ResolvedImage> {
    return await told(this.#request, `[internal] load metadata for ${name}`, () =>
      this.#images.byContext(spec, name, platform, this.#signal),
    );
  }

  /** Says what folder the local ops of a name mean. */
  addFolder(name: string, directory: ClientFolder): void {
    this.#trees.addLocal(name, { directory });
  }

  hasNamedContext(name: string, platform: Platform): boolean {
    return this.#named.has(name, platform);
  }

  namedContext(name: string, platform: Platform): Promise<NamedContext | undefined> {
    return this.#named.load(name, platform);
  }

  mainContext(): Promise<NamedContext> {
    return (this.#files ??= this.#context().then((context) => context.files()));
  }

  async sourceSeconds(source: Vertex): Promise<number | undefined> {
    const { sourceSeconds } = await import("./source-times.ts");
    return await sourceSeconds(source, this.#trees, this.#engine, this.#signal);
  }

  /** How the blobs of this build are made: as its first image output says; times end at `epoch` (SOURCE_DATE_EPOCH, seconds). */
  blobOptions(epoch: number | undefined): BlobOptions {
    const output = this.#request.exports.find(isImageOutput);
    const clamp = epoch === undefined ? {} : { maxMtimeNs: BigInt(epoch) * 1_000_000_000n };
    if (output === undefined) return { compression: "gzip", ...clamp };
    const { compression, level, encoder, forceCompression } = output.image;
    return {
      compression,
      ...(level === undefined ? {} : { level }),
      ...(encoder === undefined ? {} : { encoder }),
      force: forceCompression,
      ...clamp,
    };
  }

  /** From here on what comes from elsewhere must be what is said of it. */
  pin(images: PinImage, sources: SourcePins): void {
    this.#images.pin(images);
    this.#trees.pin(sources);
  }

  /** What came from elsewhere until now. */
  get resolved(): ResolvedSources & { readonly images: readonly ResolvedBase[] } {
    return { ...this.#trees.resolved, images: this.#images.bases };
  }

  /** What a base image is by its digests. */
  imageIdentity(id: string): ReturnType<BaseImages["identity"]> {
    return this.#images.identity(id);
  }

  /** Says what the graph reads of each source. */
  setReaders(readers: ReadonlyMap<string, readonly Reader[]>): void {
    this.#trees.setReaders(readers);
  }

  /** The loader of source ops. */
  loader(): SourceLoader {
    return {
      imageKey: (id) => Promise.resolve(this.#images.key(id)),
      image: (id, step) => Promise.resolve(this.#images.ref(id, step)),
      tree: (source, vertex) => this.#trees.tree(source, vertex),
    };
  }

  /** Events of the graph's steps, without those of sources that were told of before it was solved. */
  withoutTold(events: EventSink): EventSink {
    return (event) => {
      if (event.kind !== "vertex" || !this.#trees.wasTold(event.vertex)) events(event);
    };
  }

  /** Keeps what was learned of the client's folders, all of which have been read. */
  saveDigests(): void {
    this.#trees.saveDigests();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trees.saveDigests();
    await this.#images[Symbol.asyncDispose]();
  }

  #context(): Promise<MainContext> {
    return (this.#main ??= openMainContext(this.#world));
  }

  async #given(spec: GivenContext, name: string): Promise<NamedContext> {
    const { hostPlatform } = this.#request;
    if (spec.kind === "location") return { kind: "image", image: await this.resolveGiven(spec, name, hostPlatform) };
    const { contextOfDefinition } = await import("./definition-sources.ts");
    return await contextOfDefinition(spec.definition, name, this.#request, this, this.#signal);
  }
}

function isImageOutput(spec: ExportSpec): spec is Extract<ExportSpec, { image: unknown }> {
  return "image" in spec;
}

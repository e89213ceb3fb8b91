// The inputs of one build: the Dockerfile, the contexts, the base images. It answers the
// conversion's questions (ConvertWorld) and loads what source ops name (SourceLoader).

import { join } from "node:path";
import { BaseImages } from "./base-images.ts";
import { type Digest, digestOf } from "./core/digest.ts";
import { bytePath } from "./core/byte-path.ts";
import { BuildError } from "./core/errors.ts";
import type { WarningEvent } from "./core/events.ts";
import { formatPlatform, type Platform } from "./core/platform.ts";
import { formatReference, parseReference } from "./core/reference.ts";
import type { ConvertWorld, NamedContext, ResolvedImage } from "./dockerfile/convert/plan.ts";
import { readIgnore } from "./dockerfile/dockerignore.ts";
import type { Dockerfile, LintFinding } from "./dockerfile/instruction.ts";
import type { Engine } from "./engine.ts";
import type { SourceOp } from "./graph/op.ts";
import type { FileTree } from "./layer/file-tree.ts";
import type { SourceLoader } from "./ops/engine-parts.ts";
import type { BuildRequest, ContextSpec, ExportSpec } from "./request.ts";
import type { BlobOptions } from "./snapshot/ref.ts";
import { type ContextFiles, openContext } from "./source/context.ts";
import { LocalTree } from "./source/local-tree.ts";

/** The name of the main context's local source. */
const MAIN = "context";

/** The Dockerfile's bytes and the name to show for it. */
export interface DockerfileSource {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** Opens inputs when they are asked for, each once. */
export class InputLoader implements ConvertWorld, AsyncDisposable {
  readonly #engine: Engine;
  readonly #request: BuildRequest;
  readonly #signal: AbortSignal;
  readonly #images: BaseImages;
  readonly #contexts = new Map<string, Promise<ContextFiles>>();
  readonly #trees = new Map<Digest, Promise<FileTree>>();
  #main: Promise<NamedContext> | undefined;

  constructor(engine: Engine, request: BuildRequest, signal: AbortSignal) {
    this.#engine = engine;
    this.#request = request;
    this.#signal = signal;
    this.#images = new BaseImages({
      engine,
      pull: request.pull,
      registry: { insecure: request.insecureRegistries, credentials: (registry) => request.session.credentials(registry) },
    });
  }

  /** Finds and reads the Dockerfile. Throws `INPUT_MISSING` with where it was looked for. */
  async dockerfile(): Promise<DockerfileSource> {
    return await this.#told("load build definition from Dockerfile", async () => await (await this.#context(MAIN, this.#request.context)).dockerfile(this.#request.dockerfile, this.#signal));
  }

  async resolveImage(name: string, platform: Platform): Promise<ResolvedImage> {
    return await this.#told(`load metadata for ${displayName(name)}`, () => this.#images.byName(name, platform, this.#signal));
  }

  hasNamedContext(name: string, platform: Platform): boolean {
    return this.#findNamed(name, platform) !== undefined;
  }

  async namedContext(name: string, platform: Platform): Promise<NamedContext | undefined> {
    const found = this.#findNamed(name, platform);
    if (found === undefined) return undefined;
    const [key, spec] = found;
    if (spec.kind === "image" || spec.kind === "oci-layout" || spec.kind === "docker-archive") {
      return { kind: "image", image: await this.#told(`load metadata for ${key}`, () => this.#images.byContext(spec, displayName(key), platform, this.#signal)) };
    }
    return await this.#asNamed(key, spec);
  }

  mainContext(): Promise<NamedContext> {
    return (this.#main ??= this.#asNamed(MAIN, this.#request.context));
  }

  /** How the blobs of this build are made: as its first image output says. */
  blobOptions(): BlobOptions {
    const output = this.#request.exports.find(isImageOutput);
    const epoch = this.#request.epochSeconds;
    const clamp = epoch === undefined ? {} : { maxMtimeNs: BigInt(epoch) * 1_000_000_000n };
    if (output === undefined) return { compression: "gzip", ...clamp };
    const { compression, level, encoder, forceCompression } = output.image;
    return { compression, ...(level === undefined ? {} : { level }), ...(encoder === undefined ? {} : { encoder }), force: forceCompression, ...clamp };
  }

  /** A lint finding as an event. */
  warning(finding: LintFinding, dockerfile: Dockerfile): WarningEvent {
    return {
      kind: "warning",
      rule: finding.rule,
      message: finding.message,
      detail: finding.description,
      url: finding.url,
      ...(finding.range === undefined ? {} : { location: { file: dockerfile.fileName, range: finding.range, text: dockerfile.text } }),
    };
  }

  /** The loader of source ops. */
  loader(): SourceLoader {
    return {
      imageKey: (id) => Promise.resolve(this.#images.key(id)),
      image: (id) => Promise.resolve(this.#images.ref(id)),
      tree: (source, digest) => this.#tree(source, digest),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#images[Symbol.asyncDispose]();
    for (const context of this.#contexts.values()) {
      await context.then(
        (opened) => opened[Symbol.asyncDispose](),
        () => undefined, // it was never opened
      );
    }
  }

  #tree(source: Exclude<SourceOp["source"], { type: "image" }>, digest: Digest): Promise<FileTree> {
    let tree = this.#trees.get(digest);
    if (!tree) {
      tree = this.#openTree(source);
      this.#trees.set(digest, tree);
    }
    return tree;
  }

  async #openTree(source: Exclude<SourceOp["source"], { type: "image" }>): Promise<FileTree> {
    switch (source.type) {
      case "local": {
        const spec = source.name === MAIN ? this.#request.context : this.#request.namedContexts.get(source.name);
        if (spec === undefined) throw new BuildError("INTERNAL", `the context "${source.name}" was never named`);
        const context = await this.#context(source.name, spec);
        const ignoreFile = context.ignoreFileName === undefined ? {} : { ignoreFile: { name: context.ignoreFileName } };
        return new LocalTree(bytePath(context.directory), { excludes: source.excludes, ...ignoreFile });
      }
      case "http":
      case "git": {
        const { openRemote } = await import("./source/remote.ts");
        return await openRemote(source, { directory: join(this.#engine.layers.place.workDirectory), session: this.#request.session, environment: this.#request.environment, signal: this.#signal, now: this.#request.now });
      }
    }
  }

  #context(name: string, spec: ContextSpec): Promise<ContextFiles> {
    let context = this.#contexts.get(name);
    if (!context) {
      context = openContext(spec, { workDirectory: this.#engine.layers.place.workDirectory, jobs: this.#engine.jobs, environment: this.#request.environment, signal: this.#signal });
      this.#contexts.set(name, context);
    }
    return context;
  }

  async #asNamed(name: string, spec: ContextSpec): Promise<NamedContext> {
    const context = await this.#context(name, spec);
    const ignore = name === MAIN ? await context.readIgnoreFile() : undefined;
    return { kind: "local", name, excludes: ignore === undefined ? [] : readIgnore(ignore) };
  }

  /** `name`, its normalised forms, and `name::platform`, as buildx's clients give them. */
  #findNamed(name: string, platform: Platform): readonly [string, ContextSpec] | undefined {
    const contexts = this.#request.namedContexts;
    const names = [name, ...normalForms(name)];
    for (const each of names) {
      for (const key of [`${each}::${formatPlatform(platform)}`, each]) {
        const spec = contexts.get(key);
        if (spec) return [key, spec];
      }
    }
    return undefined;
  }

  /** An `[internal]` step of the progress. */
  async #told<T>(what: string, work: () => Promise<T>): Promise<T> {
    const event = { kind: "vertex" as const, vertex: digestOf(`internal ${what}`), name: `[internal] ${what}`, inputs: [] };
    const started = this.#request.now();
    this.#request.events({ ...event, started });
    try {
      const result = await work();
      this.#request.events({ ...event, started, completed: this.#request.now() });
      return result;
    } catch (error) {
      this.#request.events({ ...event, started, completed: this.#request.now(), error: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }
}

function isImageOutput(spec: ExportSpec): spec is Extract<ExportSpec, { image: unknown }> {
  return spec.type === "image" || spec.type === "oci" || spec.type === "docker";
}

function normalForms(name: string): string[] {
  try {
    const full = formatReference(parseReference(name));
    const short = full.replace(/^docker\.io\/(?:library\/)?/, "");
    return [full, short, short.replace(/:latest$/, ""), full.replace(/:latest$/, "")];
  } catch {
    return []; // a stage or context name that is no image name
  }
}

function displayName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}

// Results that lie in caches elsewhere (--cache-from): asked when this store has none, read when the first step asks,
// and fetched layer by layer when somebody wants the bytes. A cache that cannot be read or lies is left out with a warning.

import { layerFacts } from "../../cache/remote/annotations.ts";
import type { ReadCache } from "../../cache/remote/document.ts";
import type { TreeOf } from "../../cache/remote/matcher.ts";
import { Matcher } from "../../cache/remote/matcher.ts";
import type { Remote } from "../../cache/remote/record-graph.ts";
import { RecordGraph } from "../../cache/remote/record-graph.ts";
import type { VertexKeys } from "../../cache/buildkit/vertex-keys.ts";
import { checkLayer } from "../images/check-layer.ts";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { asBuildError, BuildError } from "../../core/errors.ts";
import { joinWork } from "../../core/shared-work.ts";
import type { Engine } from "../../engine.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { StepClock } from "../internal-steps.ts";
import { told } from "../internal-steps.ts";
import { builtUpon } from "../../ops/keys.ts";
import { standsOn } from "../../graph/op.ts";
import type { OpResult } from "../../ops/result.ts";
import { RefResult } from "../../ops/result.ts";
import { LayerStore } from "../../snapshot/layer-store.ts";
import type { StoredLayer } from "../../snapshot/ref.ts";
import { foreignVariant } from "../../snapshot/stored-layer.ts";
import type { Solved } from "../../solver/operator.ts";
import type { BlobSource } from "../../transport/pull.ts";
import { fetchBlob } from "../../transport/pull.ts";

/** A cache that lies somewhere. */
export interface CacheSource extends BlobSource, AsyncDisposable {
  /** Its documents; several where an index lists images that each carry one. */
  read(signal: AbortSignal): Promise<readonly ReadCache[]>;
}

/** A cache that was named, not opened yet. */
export interface NamedCache {
  /** For people: "registry.example/app:cache". */
  readonly name: string;
  open(): Promise<CacheSource>;
}

export interface ImportedResultsOptions {
  readonly engine: Engine;
  readonly caches: readonly NamedCache[];
  readonly keys: VertexKeys;
  /** The layers of a base image that a source vertex names. */
  readonly baseLayers: (vertex: Vertex) => Promise<readonly StoredLayer[]>;
  readonly clock: StepClock;
  /** Results that are older do not count. */
  readonly maxAgeMs?: number | undefined;
  readonly signal: AbortSignal;
}

interface OpenCache {
  readonly name: string;
  readonly source: CacheSource;
  readonly matcher: Matcher;
}

/** The caches of one build; disposing it closes their places. */
export class ImportedResults implements AsyncDisposable {
  readonly #options: ImportedResultsOptions;
  #caches: Promise<readonly OpenCache[]> | undefined;
  readonly #places: CacheSource[] = [];
  /** Blobs that could not be had as they were promised. */
  readonly #broken = new Set<Digest>();
  readonly #fetching = new Map<Digest, Promise<void>>();
  /** Whether finding a vertex's own key needs files that are not here. */
  readonly #needFiles = new Map<Digest, Promise<boolean>>();
  #hasNewlyBroken = false;
  readonly #origins = new Map<Digest, string>();

  constructor(options: ImportedResultsOptions) {
    this.#options = options;
  }

  /** The cache that the result of a vertex came from, or that of a later one which made it needless. */
  originOf(vertex: Digest): string | undefined {
    return this.#origins.get(vertex);
  }

  /** Whether one was found to be broken that `takeBroken` has not told of. */
  get hasBroken(): boolean {
    return this.#hasNewlyBroken;
  }

  /** Whether a promised blob turned out not to be there since this was asked last: what was built on it must be built again. */
  async takeBroken(): Promise<boolean> {
    const has = this.#hasNewlyBroken;
    this.#hasNewlyBroken = false;
    // What was begun before may still fail, of what was stopped with it.
    this.#needFiles.clear();
    for (const { matcher } of (await this.#caches) ?? []) matcher.forget();
    return has;
  }

  /** A result whose key would need files that are not here: of a step that lies in a cache, or would have to run. */
  async early(vertex: Vertex, solved: Solved<OpResult>): Promise<OpResult | undefined> {
    if (!(await this.#keyNeedsFiles(vertex, solved))) return undefined;
    const { signal } = this.#options;
    return await this.#first(vertex, (matcher) => matcher.findCheap(vertex, this.#treeOf(solved), signal));
  }

  async #keyNeedsFiles(target: Vertex, solved: Solved<OpResult>): Promise<boolean> {
    const known = this.#needFiles;
    // Inputs first, so that no chain of calls grows as deep as a Dockerfile is long.
    for (const vertex of known.has(target.digest) ? [] : topological([target])) {
      if (known.has(vertex.digest)) continue;
      const needs = this.#ownKeyNeedsFiles(vertex, solved);
      known.set(vertex.digest, needs);
      // Whoever asks for one of them sees that it failed; of the others nobody may ask.
      needs.catch(() => undefined);
    }
    return (await known.get(target.digest)) === true;
  }

  async #ownKeyNeedsFiles(vertex: Vertex, solved: Solved<OpResult>): Promise<boolean> {
    for (const number of builtUpon(vertex))
      if ((await this.#needFiles.get(vertex.inputs[number]?.digest ?? vertex.digest)) === true) return true;
    for (const { input: number = -1, content } of this.#options.keys.map(vertex).dependencies) {
      const input = vertex.inputs[number];
      if (content === undefined || input === undefined || input.op.kind === "source") continue;
      if (await isElsewhere(await solved(input).known())) return true;
    }
    return false;
  }

  /** A result of a vertex. */
  async find(vertex: Vertex, solved: Solved<OpResult>): Promise<OpResult | undefined> {
    const { signal } = this.#options;
    return await this.#first(vertex, (matcher) => matcher.find(vertex, this.#treeOf(solved), signal));
  }

  #treeOf(solved: Solved<OpResult>): TreeOf {
    return async (vertex) => await (await solved(vertex).result()).tree(this.#options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#places.map((place) => place[Symbol.asyncDispose]()));
  }

  async #first(vertex: Vertex, find: (matcher: Matcher) => Promise<Remote | undefined>): Promise<OpResult | undefined> {
    for (const { name, source, matcher } of await (this.#caches ??= this.#openAll())) {
      const remote = await find(matcher);
      if (remote === undefined) continue;
      for (const { op, digest } of topological([vertex]))
        if (op.kind !== "source" && !this.#origins.has(digest)) this.#origins.set(digest, name);
      return new RefResult({ layers: await this.#layersOf(vertex, remote, source) });
    }
    return undefined;
  }

  async #openAll(): Promise<readonly OpenCache[]> {
    const opened = await Promise.all(this.#options.caches.map((cache) => this.#open(cache)));
    return opened.flat();
  }

  async #open(cache: NamedCache): Promise<readonly OpenCache[]> {
    const { clock, signal, keys } = this.#options;
    const { name } = cache;
    try {
      return await told(clock, `importing cache manifest from ${name}`, async () => {
        const source = await cache.open();
        this.#places.push(source);
        const read = await source.read(signal);
        if (read.length === 0) throw new BuildError("INPUT_MISSING", `there is no cache in ${name}`);
        const isUsable = (remote: Remote): boolean => this.#isUsable(remote);
        return read.map(({ config, layers }) => ({
          name,
          source,
          matcher: new Matcher(new RecordGraph(config, layers), keys, isUsable),
        }));
      });
    } catch (error) {
      signal.throwIfAborted();
      clock.events({
        kind: "warning",
        message: `the cache ${name} is not used: ${asBuildError(error).message}`,
      });
      return [];
    }
  }

  #isUsable({ layers, createdAt }: Remote): boolean {
    const { clock, maxAgeMs } = this.#options;
    if (maxAgeMs !== undefined && clock.now() - Date.parse(createdAt) > maxAgeMs) return false;
    return layers.every(
      (layer) =>
        !this.#broken.has(layer.digest) &&
        compressionOf(layer.mediaType) !== undefined &&
        layerFacts(layer) !== undefined,
    );
  }

  /** Those of the base image are the image's; each other one is named by what it stands on, so that results share them. */
  async #layersOf(
    vertex: Vertex,
    { layers, times, createdAt }: Remote,
    source: CacheSource,
  ): Promise<readonly StoredLayer[]> {
    const { engine, baseLayers } = this.#options;
    const base = await this.#baseOf(vertex, baseLayers);
    const stack: StoredLayer[] = [];
    for (const [at, descriptor] of layers.entries()) {
      const facts = layerFacts(descriptor);
      const compression = compressionOf(descriptor.mediaType);
      if (facts === undefined || compression === undefined) throw new BuildError("INTERNAL", "a layer without facts");
      const ofBase = base[stack.length];
      const id = LayerStore.imageLayerId(stack.at(-1)?.id, facts.diffId);
      if (ofBase?.id === id) {
        stack.push(ofBase);
        continue;
      }
      const { mediaType, digest, size } = descriptor;
      // Ours say of each step when it made its layer; BuildKit's records are a moment younger than their layers.
      const inRecords = facts.form === undefined ? undefined : times[at];
      const created = Date.parse(inRecords ?? facts.createdAt ?? createdAt);
      stack.push(
        engine.layers.ofCache(
          { descriptor: { mediaType, digest, size }, diffId: facts.diffId, uncompressedSize: 0 },
          { variant: facts.form ?? foreignVariant(compression), createdMs: Number.isNaN(created) ? 0 : created },
          stack.slice(),
          (_, signal) => this.#fetch(descriptor, facts.diffId, source, signal),
        ),
      );
    }
    return stack;
  }

  async #baseOf(vertex: Vertex, baseLayers: ImportedResultsOptions["baseLayers"]): Promise<readonly StoredLayer[]> {
    let at: Vertex | undefined = vertex;
    while (at !== undefined && at.op.kind !== "source") {
      const [upon]: readonly number[] = standsOn(at.op, at.inputs.length);
      at = upon === undefined ? undefined : at.inputs[upon];
    }
    return at === undefined || at.op.kind !== "source" || at.op.source.type !== "image" ? [] : await baseLayers(at);
  }

  /** Brings a blob and holds it against what its descriptor says; calls at the same time share the work. */
  #fetch(descriptor: Descriptor, diffId: Digest, source: CacheSource, signal: AbortSignal): Promise<void> {
    return joinWork(this.#fetching, descriptor.digest, signal, () =>
      this.#fetchOnce(descriptor, diffId, source, signal),
    );
  }

  async #fetchOnce(descriptor: Descriptor, diffId: Digest, source: CacheSource, signal: AbortSignal): Promise<void> {
    const { engine, clock } = this.#options;
    try {
      await fetchBlob(source, descriptor, engine.store, signal);
      const checks = await checkLayer(engine.store.open(descriptor.digest, signal), descriptor, diffId, signal);
      const fault = checks.find(({ result }) => result === "failed");
      if (fault !== undefined)
        throw new BuildError("DIGEST_INVALID", `of ${descriptor.digest} does not hold that ${fault.rule}`);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#broken.add(descriptor.digest);
      this.#hasNewlyBroken = true;
      const { message } = asBuildError(error);
      clock.events({
        kind: "warning",
        message: `the cache ${source.name} does not have what it promises: ${message}; its steps run again`,
      });
      throw error;
    }
  }
}

/** Whether a result is still to be made, or has layers that were not fetched. */
async function isElsewhere(result: OpResult | undefined): Promise<boolean> {
  if (!(result instanceof RefResult)) return result === undefined;
  for (const layer of result.layers) if (!(await layer.isHere())) return true;
  return false;
}

// The caches of one build that lie elsewhere: results that come from them, and what goes into them.

import { importedResults } from "./cache-import.ts";
import { vertexKeys } from "./cache-keys.ts";
import type { VertexKeys } from "../../cache/buildkit/vertex-keys.ts";
import type { EventSink } from "../../core/events.ts";
import type { Engine } from "../../engine.ts";
import type { ImportedResults } from "./imported-results.ts";
import type { InputLoader } from "../contexts/inputs.ts";
import { ImportedMounts } from "./imported-mounts.ts";
import type { CacheMounts } from "../../ops/cache-mounts.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { Outcome } from "../outputs/outputs.ts";
import type { SolvedBuild } from "./cache-export.ts";
import type { BuildRequest } from "../../request.ts";

export class RemoteCaches implements AsyncDisposable {
  readonly #request: BuildRequest;
  readonly #keys: VertexKeys;
  /** Results of caches that were named. */
  readonly imported: ImportedResults | undefined;
  /** The store's cache mounts, and those of caches that were named. */
  readonly mounts: CacheMounts;
  readonly #importedMounts: ImportedMounts;

  constructor(engine: Engine, request: BuildRequest, inputs: InputLoader, signal: AbortSignal) {
    this.#request = request;
    this.#keys = vertexKeys(inputs);
    const isAsked = (request.cacheFrom ?? []).length > 0;
    this.imported = isAsked ? importedResults(engine, request, inputs, this.#keys, signal) : undefined;
    this.#importedMounts = new ImportedMounts(engine, request, signal);
    this.mounts = isAsked ? engine.cacheMounts.with(this.#importedMounts) : engine.cacheMounts;
  }

  /** Whether a blob turned out not to be what its cache promised: then the build is not at fault. */
  get hasBroken(): boolean {
    return this.imported?.hasBroken ?? false;
  }

  /** The same events; those of cached steps also say which of these caches they came from. */
  withOrigins(events: EventSink): EventSink {
    const { imported } = this;
    if (imported === undefined) return events;
    return (event) => {
      const isCached = event.kind === "vertex" && event.cached === true;
      const cachedFrom = isCached ? imported.originOf(event.vertex) : undefined;
      events(isCached && cachedFrom !== undefined ? { ...event, cachedFrom } : event);
    };
  }

  /** Whether cache mounts of these vertices are to be written somewhere. */
  readsMounts(targets: readonly Vertex[]): boolean {
    if (!(this.#request.cacheTo ?? []).some((spec) => "mounts" in spec && spec.mounts === "max")) return false;
    return topological(targets).some(({ op }) => op.kind === "exec" && op.mounts.some(({ type }) => type === "cache"));
  }

  /** Does the work again, without the blobs that turned out to be broken. */
  async retrying<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if ((await this.imported?.takeBroken()) !== true) throw error;
      }
    }
  }

  /** The outcomes with the cache that their images carry (--cache-to type=inline). */
  async inline(build: Omit<SolvedBuild, "keys">, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
    if (!(this.#request.cacheTo ?? []).some(({ type }) => type === "inline")) return outcomes;
    const { withInlineCache } = await import("./cache-inline.ts");
    return await withInlineCache({ ...build, keys: this.#keys }, outcomes);
  }

  /** Writes the caches that are asked for. */
  async write(build: Omit<SolvedBuild, "keys">): Promise<void> {
    const { exportCaches } = await import("./cache-export.ts");
    await exportCaches({ ...build, keys: this.#keys });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.imported?.[Symbol.asyncDispose]();
    await this.#importedMounts[Symbol.asyncDispose]();
  }
}

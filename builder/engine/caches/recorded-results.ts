// The solver's cache on top of the cache records: a key stands for layers, and is known
// only while every one of them is still there.

import type { CacheRecords } from "../../cache/records.ts";
import type { Digest } from "../../core/digest.ts";
import { hexOf } from "../../core/digest.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { OpResult } from "../../ops/result.ts";
import { RefResult } from "../../ops/result.ts";
import type { LayerStore } from "../../snapshot/layer-store.ts";
import type { StoredLayer } from "../../snapshot/ref.ts";
import type { CacheIndex, Claim, Solved } from "../../solver/operator.ts";
import { sweepKeyLocks, takeKeyLock } from "../../store/key-lock.ts";

/** Results that lie elsewhere. */
export interface Imported {
  early(vertex: Vertex, solved: Solved<OpResult>): Promise<OpResult | undefined>;
  find(vertex: Vertex, solved: Solved<OpResult>): Promise<OpResult | undefined>;
}

export interface RecordedResultsOptions {
  readonly records: CacheRecords;
  readonly layers: LayerStore;
  /** In it a file stands for each key whose result is being made. */
  readonly locksDirectory: string;
  readonly now: () => number;
  /** A text as it may be written down, for people. */
  readonly scrubbed: (text: string) => Promise<string>;
  /** Asked for what this store does not have. */
  readonly imported?: Imported | undefined;
  /** Records that are older do not count. */
  readonly maxAgeMs?: number | undefined;
}

/** Results by key, kept in the records and the layer store of one root. */
export class RecordedResults implements CacheIndex<OpResult> {
  readonly #options: RecordedResultsOptions;
  #isSwept = false;
  readonly #pending = new Set<Promise<void>>();

  readonly lookupEarly?: NonNullable<CacheIndex<OpResult>["lookupEarly"]>;

  constructor(options: RecordedResultsOptions) {
    this.#options = options;
    const { imported } = options;
    if (imported !== undefined) this.lookupEarly = (vertex, solved) => imported.early(vertex, solved);
  }

  async lookup(key: Digest, vertex: Vertex, solved: Solved<OpResult>): Promise<OpResult | undefined> {
    const own = await this.#ownResult(key);
    const { imported } = this.#options;
    if (own !== undefined || imported === undefined) return own;
    const found = await imported.find(vertex, solved);
    // What was not fetched is not taken for known later: a layer that is not here makes a record void.
    if (found !== undefined) await this.#write(key, vertex, found);
    return found;
  }

  async #ownResult(key: Digest): Promise<OpResult | undefined> {
    const { records, layers: store, now, maxAgeMs = Number.POSITIVE_INFINITY } = this.#options;
    const record = records.find(key);
    if (record === undefined || now() - record.createdMs > maxAgeMs) return undefined;
    const layers: StoredLayer[] = [];
    for (const id of record.layers) {
      const layer = store.get(id);
      if (layer === undefined || !(await layer.isHere())) return undefined;
      layers.push(layer);
    }
    return new RefResult({ layers });
  }

  async claim(key: Digest, signal: AbortSignal): Promise<Claim> {
    const { locksDirectory } = this.#options;
    if (!this.#isSwept) sweepKeyLocks(locksDirectory);
    this.#isSwept = true;
    return await takeKeyLock(locksDirectory, hexOf(key), signal);
  }

  record(key: Digest, vertex: Vertex, result: OpResult, claim?: Claim): void {
    const saved = this.#save(key, vertex, result).finally(() => claim?.release());
    this.#pending.add(saved);
    void saved.finally(() => this.#pending.delete(saved));
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  async #write(key: Digest, vertex: Vertex, result: OpResult): Promise<void> {
    const { layers } = await result.ref(NEVER);
    const { records, now, scrubbed } = this.#options;
    const name = await scrubbed(vertex.options.name);
    records.save(key, { layers: layers.map((layer) => layer.id) }, name, now());
  }

  /** A layer whose entries are still being found is recorded when they are; one that fails is not recorded. */
  async #save(key: Digest, vertex: Vertex, result: OpResult): Promise<void> {
    try {
      const { layers } = await result.ref(NEVER);
      await Promise.all(layers.slice(-1).map((layer) => layer.index(NEVER)));
      await this.#write(key, vertex, result);
    } catch {
      // Whoever needs the layer sees the error; without a record it is only made again.
    }
  }
}

const NEVER = new AbortController().signal;

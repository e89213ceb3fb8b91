// Cache records: which layers a key stands for.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Digest } from "../core/digest.ts";
import { isDamage, isUnwritable } from "./database.ts";

/** A result as it is remembered. */
export interface CacheRecord {
  /** Ids of the layers, bottom first. */
  readonly layers: readonly string[];
}

/** A record that was found. */
export interface FoundRecord extends CacheRecord {
  /** ms since the epoch. */
  readonly createdMs: number;
}

/** The records of one store. What cannot be read is a miss; what cannot be written is made again the next time. */
export class CacheRecords {
  readonly #find: StatementSync;
  readonly #save: StatementSync;
  readonly #findFact: StatementSync;
  readonly #saveFact: StatementSync;
  readonly #onFault: (fault: string) => void;

  /** `onFault` is told, as a sentence for people, of what could not be read or written. */
  constructor(database: DatabaseSync, onFault: (fault: string) => void = () => undefined) {
    this.#onFault = onFault;
    this.#find = database.prepare("SELECT layers, created FROM results WHERE key = ?");
    this.#save = database.prepare("INSERT OR REPLACE INTO results (key, layers, name, created) VALUES (?, ?, ?, ?)");
    this.#findFact = database.prepare("SELECT value FROM facts WHERE key = ?");
    this.#saveFact = database.prepare("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)");
  }

  /** The record of a key. */
  find(key: Digest): FoundRecord | undefined {
    return this.#orMiss(() => {
      const row = this.#find.get(key);
      if (row === undefined) return undefined;
      const layers = parseLayerIds(String(row["layers"]));
      if (layers === undefined) this.#onFault(`the cache record of ${key} is damaged`);
      return layers === undefined ? undefined : { layers, createdMs: Number(row["created"]) };
    });
  }

  /** Remembers a result under its key; `name` is the step's, for people; `createdMs` since the epoch. */
  save(key: Digest, record: CacheRecord, name: string, createdMs: number): void {
    this.#orMiss(() => void this.#save.run(key, JSON.stringify(record.layers), name, createdMs));
  }

  /** A derived fact that never goes out of date (its key names immutable things): the content digest of a selection. */
  fact(key: Digest): string | undefined {
    return this.#orMiss(() => {
      const row = this.#findFact.get(key);
      return row === undefined ? undefined : String(row["value"]);
    });
  }

  saveFact(key: Digest, value: string): void {
    this.#orMiss(() => void this.#saveFact.run(key, value));
  }

  /** A fact about a layer, which goes when the layer goes. */
  layerFact(layer: string, key: Digest): string | undefined {
    return this.#orMiss(() => {
      const row = this.#findFact.get(layerFactKey(layer, key));
      return row === undefined ? undefined : String(row["value"]);
    });
  }

  saveLayerFact(layer: string, key: Digest, value: string): void {
    this.#orMiss(() => void this.#saveFact.run(layerFactKey(layer, key), value));
  }

  #orMiss<T>(use: () => T): T | undefined {
    try {
      return use();
    } catch (error) {
      if (!isDamage(error) && !isUnwritable(error)) throw error;
      this.#onFault(`the cache records of the store cannot be used: ${(error as Error).message}`);
      return undefined;
    }
  }
}

/** Takes away the facts about a layer. */
export function dropLayerFacts(database: DatabaseSync, layer: string): void {
  const first = layerFactKey(layer, "");
  // All that begins so: ";" comes after ":".
  database.prepare("DELETE FROM facts WHERE key > ? AND key < ?").run(first, `${first.slice(0, -1)};`);
}

function layerFactKey(layer: string, key: string): string {
  return `layer:${layer}:${key}`;
}

/** Ids of layers as a record holds them; undefined when they are damaged. */
export function parseLayerIds(text: string): readonly string[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((id) => typeof id === "string") ? list : undefined;
  } catch {
    return undefined;
  }
}

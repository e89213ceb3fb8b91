// What is known of secrets in layers, kept in the store: a layer is looked through once for each secret, by whichever build
// knows the secret first. No value is written down, only a keyed digest of it; and what was found once is remembered for
// builds that do not know the secret.

import { createHmac, randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { digestOf } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import type { KnownSecret } from "./known-secrets.ts";

/** Where facts about immutable things are kept (`CacheRecords`). */
export interface FactStore {
  layerFact(layer: string, key: Digest): string | undefined;
  /** Goes with the layer. */
  saveLayerFact(layer: string, key: Digest, value: string): void;
}

/** Where in a layer. */
export interface LayerPlace {
  readonly path: BytePath;
  readonly where: "content" | "name" | "link" | "attribute";
  /** A part of the path is withheld. */
  readonly isMasked?: true;
}

/** A secret that was found in a layer. */
export interface LayerFinding {
  readonly id: string;
  readonly name: string;
  readonly places: readonly LayerPlace[];
}

/** A layer with more places is told of by these. */
const MOST_PLACES = 1000;

/** The verdicts of one store. */
export class Verdicts {
  readonly #facts: FactStore;
  readonly #keyFile: string;
  readonly #temporaryFile: string;
  #key: Buffer | undefined;

  /** `keyFile` is made when it is not there. `temporaryDirectory`: this process's, on the same file system. */
  constructor(facts: FactStore, keyFile: string, temporaryDirectory: string) {
    this.#facts = facts;
    this.#keyFile = keyFile;
    this.#temporaryFile = join(temporaryDirectory, "guard-key");
  }

  /** Whether a layer was looked through for a secret. */
  isKnown(layer: string, secret: KnownSecret): boolean {
    return this.#facts.layerFact(layer, this.#question(secret)) !== undefined;
  }

  /** Keeps what a search for a secret in a layer has found. */
  keep(layer: string, secret: KnownSecret, places: readonly LayerPlace[]): void {
    if (places.length > 0) {
      const others = this.found(layer).filter(({ id }) => id !== secret.id);
      const { id, name } = secret;
      const all = [...others, { id, name, places: places.slice(0, MOST_PLACES) }];
      this.#facts.saveLayerFact(layer, ANSWER, JSON.stringify(all));
    }
    this.#facts.saveLayerFact(layer, this.#question(secret), places.length > 0 ? "found" : "clean");
  }

  /** What was ever found in a layer. */
  found(layer: string): readonly LayerFinding[] {
    const known = this.#facts.layerFact(layer, ANSWER);
    return known === undefined ? [] : (JSON.parse(known) as LayerFinding[]); // written by `keep`
  }

  /** The number is another one whenever more spellings are looked for. */
  #question({ value }: KnownSecret): Digest {
    const mac = createHmac("sha256", (this.#key ??= this.#readKey()))
      .update(value)
      .digest("hex");
    return digestOf(`secret guard 2 ${mac}`);
  }

  #readKey(): Buffer {
    try {
      return readFileSync(this.#keyFile);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    try {
      writeFileSync(this.#temporaryFile, randomBytes(32), { mode: 0o600, flag: "wx" });
      // Whoever was faster made the key.
      linkSync(this.#temporaryFile, this.#keyFile);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    } finally {
      rmSync(this.#temporaryFile, { force: true });
    }
    return readFileSync(this.#keyFile);
  }
}

/** Under this key lies what was found in a layer. */
const ANSWER = digestOf("secret guard 1 found");

// Whole runs of blocks that were packed before. A block's bytes follow from the entries in it and from the one after it,
// which decides where it ends; so when an index says the same of them as it did then, nothing of their files need be read:
// the blocks are taken as they are, and only unpacked again for the digest of the tar.

import type { Digest } from "../../core/digest.ts";
import { Digester, digestOf } from "../../core/digest.ts";
import type { KnownBlock } from "./compress.ts";
import { encodeEntry } from "../index-file.ts";
import type { OrderedEntries } from "../ordered-entries.ts";
import type { RunOfBlocks, StoredBlocks } from "./stored-blocks.ts";

/** Blocks that have been found, in order. */
export interface StoredRun {
  /** The number of the first entry that is not in them; that of all entries when the end of the tar is in them. */
  readonly end: number;
  readonly blocks: readonly KnownBlock[];
}

/** The runs of one layer: between two places where a block ended before an entry. */
export class StoredRuns {
  readonly #stored: StoredBlocks;
  readonly #entries: OrderedEntries;
  /** What the bytes depend on beside the entries and what the stored blocks are of. */
  readonly #salt: string;
  #start = 0;
  #taken: RunOfBlocks | undefined;
  #firstBlock = 0;

  constructor(stored: StoredBlocks, entries: OrderedEntries, salt: string) {
    this.#stored = stored;
    this.#entries = entries;
    this.#salt = salt;
  }

  /** The run that begins with an entry; undefined when there is none, or not all of it is there any more. */
  take(start: number): StoredRun | undefined {
    const first = this.#entries.lines(start, start + 1);
    if (first === undefined) return undefined;
    for (const run of this.#stored.runsFrom(digestOf(first))) {
      const end = start + run.count;
      if (end > this.#entries.length || this.#fingerprint(start, end) !== run.fingerprint) continue;
      const blocks: KnownBlock[] = [];
      for (const input of run.inputs) {
        const block = this.#stored.get(input);
        if (block === undefined) return undefined;
        blocks.push(block);
      }
      this.#taken = run;
      return { end, blocks };
    }
    return undefined;
  }

  /** A run ends before entry `end`, and begins there; so many blocks have been given to the writer. */
  close(end: number, blocks: number): void {
    const run = this.#taken ?? this.#made(end);
    if (run !== undefined) this.#stored.putRun(run, this.#firstBlock, blocks);
    this.#taken = undefined;
    this.#start = end;
    this.#firstBlock = blocks;
  }

  #made(end: number): Omit<RunOfBlocks, "inputs"> | undefined {
    if (end === this.#start) return undefined;
    const first = this.#entries.lines(this.#start, this.#start + 1);
    const fingerprint = this.#fingerprint(this.#start, end);
    if (first === undefined || fingerprint === undefined) return undefined;
    return { first: digestOf(first), fingerprint, count: end - this.#start };
  }

  /** Undefined where it is not known what is in a file. */
  #fingerprint(start: number, end: number): Digest | undefined {
    const lines = this.#entries.lines(start, end);
    if (lines === undefined) return undefined;
    const digester = new Digester();
    digester.update(Buffer.from(this.#salt, "latin1"));
    digester.update(lines);
    if (end < this.#entries.length) {
      // Where a block ends depends on the path and the size of what follows, not on what is in it.
      const { digest: _content, ...shape } = this.#entries.item(end).entry;
      digester.update(Buffer.from(`next ${encodeEntry(shape)}`, "latin1"));
    }
    return digester.digest();
  }
}

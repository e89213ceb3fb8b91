// Compressed blocks are taken from blobs that are in the store already: when one of 20,000 files changes, one or two
// blocks of the layer are others, and the rest need not be deflated again. What is kept is an index of a blob's blocks,
// a file named by the blob's digest: by the digest of what went in, where in the blob what came out lies, and its
// digest; and by what entries they came from (stored-runs.ts). Bytes are taken only if they have their digest, so the blob
// comes out as it would without; whatever cannot be read, or is not as it was, is compressed again.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"; // prettier-ignore
import { join } from "node:path";
import type { Digest } from "../../core/digest.ts";
import { digestOf, hexOf } from "../../core/digest.ts";
import { isSystemError } from "../../core/errors.ts";
import { BLOCK_FORMAT } from "./block-cutter.ts";
import type { BlockCache, BlockPlace, KnownBlock } from "./compress.ts";
import type { CompressionOptions, StoredBlocksPlace } from "../jobs/jobs.ts";

/** A blob with fewer is compressed again as fast. */
const LEAST_BLOCKS = 4;
/** Blobs whose blocks are remembered: those that were written last. */
const MOST_FILES = 32;
/** 8 GiB of layer. */
const MOST_INDEX_BYTES = 4 << 20;

interface Found extends BlockPlace {
  readonly blob: string;
}

/** Blocks in a row, and the entries that gave them. */
export interface RunOfBlocks {
  /** Of the first entry. */
  readonly first: Digest;
  /** Of all entries, and of where the last block ends. */
  readonly fingerprint: Digest;
  /** How many entries. */
  readonly count: number;
  /** Of each block the digest of what went in. */
  readonly inputs: readonly Digest[];
}

/** The blocks of a store's last blobs, for one compression. */
export class StoredBlocks implements BlockCache {
  readonly #place: StoredBlocksPlace;
  readonly #title: string;
  readonly #written: { readonly line: string; readonly input: string | undefined }[] = [];
  readonly #runs: { readonly run: Omit<RunOfBlocks, "inputs">; readonly from: number; readonly to: number }[] = [];
  readonly #open = new Map<string, number | undefined>();
  #known: Known | undefined;

  constructor(place: StoredBlocksPlace, { compression, level }: CompressionOptions) {
    this.#place = place;
    const { zlib, zstd } = process.versions;
    const library = compression === "zstd" ? zstd : zlib;
    this.#title = `tsbuild blocks 2 ${compression} ${level ?? "default"} ${library} ${BLOCK_FORMAT.version}`;
  }

  get(input: Digest): KnownBlock | undefined {
    const found = (this.#known ??= this.#read()).blocks.get(input);
    if (found === undefined) return undefined;
    const bytes = this.#bytesOf(found);
    return bytes !== undefined && digestOf(bytes) === found.digest ? { input, bytes, digest: found.digest } : undefined;
  }

  put(input: Digest | undefined, { offset, length, digest }: BlockPlace): void {
    const hex = input && hexOf(input);
    const line = hex === undefined ? "" : `${hex} ${offset} ${length} ${hexOf(digest)}\n`;
    this.#written.push({ line, input: hex });
  }

  /** Runs that begin with an entry of that digest. */
  runsFrom(first: Digest): Iterable<RunOfBlocks> {
    return (this.#known ??= this.#read()).runs.get(first)?.values() ?? [];
  }

  /** Is told of a run: of the blocks of this blob those from one number to before another. */
  putRun(run: Omit<RunOfBlocks, "inputs">, from: number, to: number): void {
    this.#runs.push({ run, from, to });
  }

  /** Remembers the blocks of the blob that has been written. */
  save(blob: Digest): void {
    if (this.#written.length < LEAST_BLOCKS) return;
    const file = join(this.#place.indexDirectory, hexOf(blob));
    const temporary = `${this.#place.temporaryFile}.blocks`;
    ignoringFaults(() => {
      mkdirSync(this.#place.indexDirectory, { recursive: true });
      const blocks = this.#written.map(({ line }) => line).join("");
      writeFileSync(temporary, `${this.#title}\n${blocks}${this.#runLines()}`, { mode: 0o600 });
      renameSync(temporary, file);
      for (const name of this.#newestFirst().slice(MOST_FILES)) rmSync(join(this.#place.indexDirectory, name), { force: true }); // prettier-ignore
    });
  }

  close(): void {
    for (const fd of this.#open.values()) if (fd !== undefined) closeSync(fd);
    this.#open.clear();
  }

  #runLines(): string {
    const lines = this.#runs.map(({ run: { first, fingerprint, count }, from, to }) => {
      const inputs = this.#written.slice(from, to).map(({ input }) => input);
      // A hole has no digest.
      if (inputs.includes(undefined)) return "";
      return `run ${hexOf(first)} ${hexOf(fingerprint)} ${count} ${inputs.join(" ")}\n`;
    });
    return lines.join("");
  }

  #read(): Known {
    const known: Known = { blocks: new Map(), runs: new Map() };
    ignoringFaults(() => {
      // The newest count last, and so win.
      for (const name of this.#newestFirst().slice(0, MOST_FILES).toReversed()) this.#readFile(name, known);
    });
    return known;
  }

  #readFile(name: string, known: Known): void {
    const file = join(this.#place.indexDirectory, name);
    if (statSync(file).size > MOST_INDEX_BYTES) return;
    const [title, ...lines] = readFileSync(file, "latin1").split("\n");
    if (title !== this.#title) return;
    for (const line of lines) {
      if (line.startsWith("run ")) addRun(line, known);
      const match = /^([0-9a-f]{64}) (\d{1,15}) (\d{1,8}) ([0-9a-f]{64})$/.exec(line);
      if (match === null) continue;
      const [, input = "", offset, length, digest = ""] = match;
      known.blocks.set(`sha256:${input}`, {
        blob: name,
        offset: Number(offset),
        length: Number(length),
        digest: `sha256:${digest}`,
      });
    }
  }

  #bytesOf({ blob, offset, length }: Found): Uint8Array | undefined {
    return ignoringFaults(() => {
      if (!this.#open.has(blob)) {
        this.#open.set(blob, undefined);
        this.#open.set(blob, openSync(join(this.#place.blobsDirectory, blob), "r"));
      }
      const fd = this.#open.get(blob);
      if (fd === undefined || length > 2 * BLOCK_FORMAT.mostBytes) return undefined;
      const bytes = Buffer.allocUnsafeSlow(length);
      return readSync(fd, bytes, 0, length, offset) === length ? bytes : undefined;
    });
  }

  #newestFirst(): string[] {
    const { indexDirectory } = this.#place;
    const files = readdirSync(indexDirectory).filter((name) => /^[0-9a-f]{64}$/.test(name));
    const times = new Map(files.map((name) => [name, statSync(join(indexDirectory, name)).mtimeMs]));
    return files.toSorted((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || (a < b ? -1 : 1));
  }
}

/** What the indexes say. */
interface Known {
  readonly blocks: Map<Digest, Found>;
  /** By the digest of the first entry, then by that of all. */
  readonly runs: Map<Digest, Map<Digest, RunOfBlocks>>;
}

function addRun(line: string, { runs }: Known): void {
  const [, hex = "", all = "", entries = "", ...blocks] = line.split(" ");
  const [first, fingerprint, ...inputs] = [hex, all, ...blocks].map((digest): Digest => `sha256:${digest}`);
  if (first === undefined || fingerprint === undefined || !/^\d{1,9}$/.test(entries) || inputs.length === 0) return;
  const run = { first, fingerprint, count: Number(entries), inputs };
  const same = runs.get(first);
  if (same === undefined) runs.set(first, new Map([[fingerprint, run]]));
  else same.set(fingerprint, run);
}

/** Nothing depends on what is remembered. */
function ignoringFaults<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

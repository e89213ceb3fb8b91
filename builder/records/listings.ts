// Lists of files that steps read, by the digest that went into the step's key: compressed, in a folder that is bounded.

import { join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { displayPath } from "../core/bytes/byte-path.ts";
import { bytePieces } from "../core/bytes/byte-pieces.ts";
import { BoundedFolder } from "../store/bounded-folder.ts";
import type { FileState } from "./ingredients.ts";

const MAX_FILES = 2000;
const MAX_BYTES = 128 * 1024 * 1024;
/** A longer list is not kept: it would take longer to write than it is worth. */
const MOST_ENTRIES = 300_000;

/** One entry of a list. */
export interface ListingEntry {
  readonly path: BytePath;
  readonly type: string;
  readonly mode: number;
  readonly owner?: string | undefined;
  readonly link?: string | undefined;
  readonly capability?: string | undefined;
  readonly digest?: string | undefined;
}

/** The lists of one store. */
export class Listings {
  readonly #folder: BoundedFolder;

  constructor(root: string) {
    const own = join(root, "tsbuild");
    this.#folder = new BoundedFolder({
      path: join(own, "listings"),
      maxFiles: MAX_FILES,
      maxBytes: MAX_BYTES,
      temporaryDirectory: join(own, "tmp"),
    });
  }

  /** Keeps a list, unless it is there; whether it is now. */
  async keep(digest: string, entries: () => Promise<Iterable<ListingEntry>>): Promise<boolean> {
    const name = nameOf(digest);
    if (this.#folder.has(name)) return true;
    const bytes = listOf(await entries());
    if (bytes === undefined) return false;
    const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
    await this.#folder.write(name, await promisify(zstdCompress)(bytes, options));
    return true;
  }

  /** The entries by path, as text; undefined when the list is not kept, or damaged. */
  async read(digest: string): Promise<ReadonlyMap<string, FileState> | undefined> {
    const bytes = await this.#folder.read(nameOf(digest));
    if (bytes === undefined) return undefined;
    try {
      const text = (await promisify(zstdDecompress)(bytes)).toString("latin1");
      return new Map(text === "" ? [] : text.split("\0\0").map(entryOf));
    } catch {
      return undefined;
    }
  }
}

/** No field is empty, and none has a NUL. Undefined when there are too many. */
function listOf(entries: Iterable<ListingEntry>): Buffer | undefined {
  let count = 0;
  function* lines(): Iterable<string> {
    for (const entry of entries) {
      if (++count > MOST_ENTRIES) return;
      yield count === 1 ? lineOf(entry) : `\0\0${lineOf(entry)}`;
    }
  }
  const pieces = [...bytePieces(lines())];
  return count > MOST_ENTRIES ? undefined : Buffer.concat(pieces);
}

function lineOf({ path, type, mode, owner = "-", link = "-", capability = "-", digest = "-" }: ListingEntry): string {
  const octal = mode.toString(8).padStart(4, "0");
  return `${path === "" ? "." : path}\0${type}\0${octal}\0${owner}\0${link || "-"}\0${capability}\0${digest}`;
}

function entryOf(line: string): [string, FileState] {
  const [path = "", type = "", mode = "", ...rest] = line.split("\0");
  const [owner, link, capability, digest] = rest.map((field) => (field === "-" ? undefined : field));
  return [
    displayPath(path),
    {
      type,
      mode,
      ...(owner === undefined ? {} : { owner }),
      ...(link === undefined ? {} : { link: displayPath(link) }),
      ...(capability === undefined ? {} : { capability }),
      ...(digest === undefined ? {} : { digest }),
    },
  ];
}

function nameOf(digest: string): string {
  return digest.replace(/^sha256:/, "").replaceAll(/[^0-9a-z]/g, "_");
}

// Looks for byte strings in a layer: in what its files hold and in what a tar says of them. Works on the bytes that a
// packer has in its hands, or on a layer that lies in the store.

import { ByteSearch, findAll, StreamSearch } from "../../core/bytes/byte-search.ts";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { decompress } from "../compression/decompress.ts";
import { ContentReader } from "../tree/content.ts";
import type { Entry, SourcedEntry } from "../entry.ts";
import type { FoundString, SearchRequest } from "../jobs/jobs.ts";
import { layerContent } from "../layer-content.ts";
import { readChunks } from "../tree/read-chunks.ts";
import type { TarHeader } from "../tar/tar-format.ts";
import type { TarSink } from "../tar/tar-reader.ts";
import { TarReader } from "../tar/tar-reader.ts";

/** The search through one layer, entry by entry. */
export class LayerSearch {
  readonly found: FoundString[] = [];
  readonly #search: ByteSearch;
  readonly #inEntry = new Set<number>();
  readonly #content: StreamSearch;
  #path: BytePath = "";
  #where: FoundString["where"] = "content";

  /** At least one string. */
  constructor(strings: readonly Uint8Array[]) {
    this.#search = new ByteSearch(strings);
    this.#content = new StreamSearch(this.#search, this.#inEntry);
  }

  /** The next entry: its name, its link, its attributes. */
  begin({ path, link, xattrs = {} }: Pick<Entry, "path" | "link" | "xattrs">): void {
    this.end();
    this.#path = path;
    this.#look("name", path);
    if (link !== undefined) this.#look("link", link);
    for (const [name, value] of Object.entries(xattrs)) {
      this.#look("attribute", name);
      this.#look("attribute", value);
    }
    this.#where = "content";
  }

  /** The next bytes of its content, after those that came before. */
  content(bytes: Uint8Array): void {
    this.#content.push(bytes);
  }

  /** There is no more of this entry. */
  end(): void {
    this.#content.restart();
    this.#take();
  }

  #look(where: FoundString["where"], bytes: Uint8Array | BytePath): void {
    this.#where = where;
    findAll(this.#search, typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, this.#inEntry);
    this.#take();
  }

  #take(): void {
    if (this.#inEntry.size === 0) return;
    for (const string of this.#inEntry) {
      if (this.found.length < MOST_FOUND) this.found.push({ string, path: this.#path, where: this.#where });
    }
    this.#inEntry.clear();
  }
}

/** A layer that is full of them is told of well enough. */
const MOST_FOUND = 10_000;

/** Does `LayerJobs.search`. `check` throws when the job is to stop. */
export async function searchLayer(request: SearchRequest, check: () => void): Promise<readonly FoundString[]> {
  const search = new LayerSearch(request.strings);
  if ("blobFile" in request.content) {
    const tar = new TarReader(new SearchSink(search));
    for await (const chunk of decompress(readChunks(request.content.blobFile), "layer")) {
      check();
      tar.push(chunk);
    }
    tar.end();
  } else {
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    for (const item of layerContent(request.content)) {
      check();
      search.begin(item.entry);
      if (item.entry.type === "file" && item.entry.size > 0) searchFile(item, search, buffer, check);
    }
  }
  search.end();
  return search.found;
}

const BUFFER_BYTES = 1 << 20;

function searchFile(item: SourcedEntry, search: LayerSearch, buffer: Buffer, check: () => void): void {
  const reader = new ContentReader(item);
  try {
    reader.lookForHoles();
    for (;;) {
      check();
      const { read } = reader.read(buffer, 0, buffer.length);
      search.content(buffer.subarray(0, read));
      if (read < buffer.length) return;
    }
  } finally {
    reader.close();
  }
}

/** Members of a tar of ours as entries. */
class SearchSink implements TarSink {
  readonly #search: LayerSearch;
  #offset = 0;

  constructor(search: LayerSearch) {
    this.#search = search;
  }

  begin({ name, link, xattrs }: TarHeader): void {
    this.#offset = 0;
    this.#search.begin({ path: name, link, ...(xattrs === undefined ? {} : { xattrs }) });
  }

  data(bytes: Buffer, offset: number): void {
    // A hole of zeros lies between.
    if (offset > this.#offset) this.#search.content(Buffer.alloc(Math.min(offset - this.#offset, BUFFER_BYTES)));
    this.#search.content(bytes);
    this.#offset = offset + bytes.length;
  }

  end(): void {
    this.#search.end();
  }
}

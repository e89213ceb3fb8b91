// Looks through a rootfs for packages, without unpacking what it does not read: the names
// of files say which ones are opened, and those are asked of the layers all at once.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { ContentSource, Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { apk } from "./apk.ts";
import { cargo } from "./cargo.ts";
import { composer } from "./composer.ts";
import { dpkg } from "./dpkg.ts";
import { go } from "./go.ts";
import { java } from "./java.ts";
import { npm } from "./npm.ts";
import { python } from "./python.ts";
import { rpm } from "./rpm.ts";
import { ruby } from "./ruby.ts";
import type { Cataloger, ScannedFiles, Software, SystemRelease } from "./software.ts";
import { parseSystemRelease, RELEASE_FILES } from "./system-release.ts";

const CATALOGERS: readonly Cataloger[] = [dpkg, apk, rpm, npm, python, go, cargo, java, composer, ruby];

/** Of a file that is read whole. */
const MOST_FILE_BYTES = 64 << 20;

/** A file that packages were found in. */
export interface Evidence {
  readonly path: BytePath;
  readonly sha1: string;
  readonly sha256: string;
}

/** What a rootfs holds. */
export interface Inventory {
  readonly system: SystemRelease | undefined;
  /** By package URL, each once. */
  readonly software: readonly Software[];
  readonly evidence: readonly Evidence[];
  /** What could not be read, each with its path. */
  readonly notes: readonly string[];
}

/** Scans a tree. `scratch` is an empty folder that is the scan's own. */
export async function scanTree(tree: FileTree, scratch: string, signal: AbortSignal): Promise<Inventory> {
  const wanted = new Map<BytePath, Entry>();
  const byCataloger = CATALOGERS.map((): BytePath[] => []);
  for (const [path, entry] of regularFiles(tree)) {
    const wanting = CATALOGERS.map((cataloger) => cataloger.wants(path, entry));
    if (RELEASE_FILES.includes(path) || wanting.includes(true)) wanted.set(path, entry);
    wanting.forEach((wants, at) => wants && byCataloger[at]?.push(path));
  }
  const files = new OpenFiles(await tree.sources([...wanted.keys()], signal), scratch);
  const system = systemOf(
    files,
    RELEASE_FILES.filter((path) => wanted.has(path)),
  );
  const found: (readonly Software[])[] = [];
  for (const [at, cataloger] of CATALOGERS.entries()) {
    signal.throwIfAborted();
    found.push(await cataloger.find(files.forCataloger(byCataloger[at] ?? [], system, at)));
  }
  const software = mergeEqual(found.flat());
  const paths = [...new Set(software.flatMap(({ evidence }) => evidence))].sort();
  return { system, software, evidence: paths.map((path) => files.evidence(path)), notes: files.notes };
}

function systemOf(files: OpenFiles, paths: readonly BytePath[]): SystemRelease | undefined {
  for (const path of paths) {
    try {
      const release = parseSystemRelease(files.text(path));
      if (release !== undefined) return release;
    } catch (error) {
      files.note(path, error instanceof Error ? error.message : String(error));
    }
  }
  return undefined;
}

function* regularFiles(tree: FileTree): Iterable<[BytePath, Entry]> {
  const stack: BytePath[] = [""];
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    for (const name of tree.list(directory)) {
      const path = joinBytes(directory, name);
      const entry = tree.lstat(path);
      if (entry?.type === "dir") stack.push(path);
      else if (entry?.type === "file") yield [path, entry];
    }
  }
}

/** One of each package URL; what several files say of it is put together. */
function mergeEqual(found: readonly Software[]): readonly Software[] {
  const merged = new Map<string, Software>();
  for (const software of found) {
    const known = merged.get(software.purl);
    const evidence = [...new Set([...(known?.evidence ?? []), ...software.evidence])].sort();
    merged.set(software.purl, { ...software, ...definedOf(known ?? {}), evidence });
  }
  return [...merged.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
}

function definedOf<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>; // some of its fields
}

/** The files of one scan. */
class OpenFiles {
  readonly notes: string[] = [];
  readonly #sources: ReadonlyMap<BytePath, ContentSource>;
  readonly #scratch: string;

  constructor(sources: ReadonlyMap<BytePath, ContentSource>, scratch: string) {
    this.#sources = sources;
    this.#scratch = scratch;
  }

  forCataloger(paths: BytePath[], system: SystemRelease | undefined, number: number): ScannedFiles {
    const scratch = join(this.#scratch, String(number));
    mkdirSync(scratch);
    return {
      paths: paths.sort(),
      system,
      scratch,
      bytes: (path) => this.#bytes(path),
      text: (path) => this.text(path),
      size: (path) => this.#size(path),
      part: (path, offset, length) => this.#part(path, offset, length),
      note: (path, why) => this.note(path, why),
    };
  }

  note(path: BytePath, why: string): void {
    this.notes.push(`/${displayPath(path)}: ${why}`);
  }

  text(path: BytePath): string {
    return Buffer.from(this.#bytes(path)).toString("utf8");
  }

  evidence(path: BytePath): Evidence {
    const [sha1, sha256] = [createHash("sha1"), createHash("sha256")];
    for (let offset = 0, chunk = this.#part(path, 0, CHUNK_BYTES); chunk.length > 0;) {
      sha1.update(chunk);
      sha256.update(chunk);
      offset += chunk.length;
      chunk = this.#part(path, offset, CHUNK_BYTES);
    }
    return { path, sha1: sha1.digest("hex"), sha256: sha256.digest("hex") };
  }

  #bytes(path: BytePath): Uint8Array {
    const bytes = this.#part(path, 0, MOST_FILE_BYTES + 1);
    if (bytes.length > MOST_FILE_BYTES) throw new Error(`it is larger than ${MOST_FILE_BYTES} bytes`);
    return bytes;
  }

  #size(path: BytePath): number {
    const source = this.#sources.get(path);
    if (source === undefined) throw nowhere(path);
    return source.kind === "bytes" ? source.bytes.length : statSync(fsPath(source.path)).size;
  }

  #part(path: BytePath, offset: number, length: number): Uint8Array {
    const source = this.#sources.get(path);
    if (source === undefined) throw nowhere(path);
    if (!Number.isSafeInteger(offset) || offset < 0 || length <= 0) return new Uint8Array();
    if (source.kind === "bytes") return source.bytes.subarray(offset, offset + length);
    const fd = openSync(fsPath(source.path), "r");
    try {
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, fstatSync(fd).size - offset)));
      let read = 0;
      while (read < buffer.length) {
        const count = readSync(fd, buffer, read, buffer.length - read, offset + read);
        if (count === 0) break;
        read += count;
      }
      return buffer.subarray(0, read);
    } finally {
      closeSync(fd);
    }
  }
}

function nowhere(path: BytePath): BuildError {
  return new BuildError("INTERNAL", `"/${displayPath(path)}" is nowhere to be read`);
}

const CHUNK_BYTES = 1 << 20;

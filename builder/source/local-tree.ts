// A directory of the client as a file tree: read as it is asked for, filtered by the
// ignore file, never left by a link. Owners mean nothing here: everything is 0:0.

import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { compareBytes, displayPath, fsPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError, isErrno, isSystemError } from "../core/errors.ts";
import type { PatternList, PatternWalk } from "../core/patterns/pattern.ts";
import { compilePatterns } from "../core/patterns/pattern.ts";
import type { ContentSource, Entry } from "../layer/entry.ts";
import type { FileTree, TreeState } from "../layer/tree/file-tree.ts";
import { hashSources } from "../layer/tree/hash-files.ts";
import type { FileStat } from "./file-stat.ts";
import { entryOf, isSocket, statOf, typeOf } from "./file-stat.ts";
import type { Fingerprint, Settling } from "./fingerprint.ts";
import { settlingOf } from "./fingerprint.ts";
import type { TreeScan } from "./tree-scan.ts";
import { scanTree } from "./tree-scan.ts";

/** Digests of files that did not change since they were hashed; consulted before a file is read. */
export interface DigestCache {
  lookup(path: BytePath, fingerprint: Fingerprint): Digest | undefined;
  store(path: BytePath, fingerprint: Fingerprint, digest: Digest): void;
  /** Whether files can no longer change and look as they did. */
  isSettled(settling: Settling): boolean;
}

export interface LocalTreeOptions {
  /** Patterns of the ignore file, in order, "!" first where negated. */
  readonly excludes?: readonly string[];
  /** The ignore file, for messages: its name, and the line of each pattern. */
  readonly ignoreFile?: { readonly name: string; readonly lines?: readonly number[] };
  readonly digestCache?: DigestCache;
  /** Where nobody changes the directory but who brings it, which no build sees: what it is now, if that is known. */
  readonly kept?: { readonly scan: TreeScan | undefined };
}

/** What is known of a path that exists: its entry if it is seen, and how its children are judged. */
interface Known {
  readonly entry: Entry | undefined;
  readonly isDirectory: boolean;
  readonly isSocket: boolean;
  /** Device and inode of a file that has other names, else undefined. */
  readonly inode: string | undefined;
  /** Of a file, for the digest cache. */
  readonly fingerprint: Fingerprint | undefined;
  /** Of a directory: the patterns with this directory visited last. */
  readonly walk: PatternWalk | undefined;
}

export class LocalTree implements FileTree {
  readonly immutable = false;
  readonly origin = "client";
  /** Absolute byte path of the directory. */
  readonly root: BytePath;
  readonly #patterns: PatternList | undefined;
  readonly #options: LocalTreeOptions;
  readonly #known = new Map<BytePath, Known | undefined>();
  readonly #lists = new Map<BytePath, readonly BytePath[]>();
  readonly #digests = new Map<BytePath, Digest>();
  readonly #scans = new Map<BytePath, TreeScan | undefined>();

  /** Throws `CONTEXT` when a pattern is malformed. */
  constructor(root: BytePath, options: LocalTreeOptions = {}) {
    this.root = root;
    this.#options = options;
    const excludes = options.excludes ?? [];
    this.#patterns = excludes.length === 0 ? undefined : compilePatterns(excludes);
    if (options.kept?.scan !== undefined) this.#scans.set("", options.kept.scan);
  }

  lstat(path: BytePath): Entry | undefined {
    return this.#look(path)?.entry;
  }

  list(path: BytePath): readonly BytePath[] {
    if (this.lstat(path)?.type !== "dir") return [];
    let names = this.#lists.get(path);
    if (names === undefined) {
      names = this.#read(path);
      if (this.#patterns !== undefined) names = names.filter((name) => this.lstat(joinBytes(path, name)) !== undefined);
      this.#lists.set(path, names);
    }
    return names;
  }

  inode(path: BytePath): string {
    return this.#look(path)?.inode ?? path;
  }

  async digests(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, Digest>> {
    const found = new Map<BytePath, Digest>();
    const unknown: BytePath[] = [];
    for (const path of paths) {
      let digest = this.#digests.get(path);
      if (digest === undefined && (digest = this.#cached(path)) !== undefined) this.#digests.set(path, digest);
      if (digest === undefined) unknown.push(path);
      else found.set(path, digest);
    }
    if (unknown.length > 0) await this.#hash(unknown, found, signal);
    return found;
  }

  sources(paths: readonly BytePath[]): Promise<ReadonlyMap<BytePath, ContentSource>> {
    return Promise.resolve(this.#sources(paths));
  }

  state(paths: readonly BytePath[]): TreeState | undefined {
    const parts: string[] = [this.root, JSON.stringify(this.#options.excludes ?? [])];
    for (const path of paths) {
      const state = this.#stateOf(path);
      if (state === undefined) return undefined;
      parts.push(path, state);
    }
    return { tree: this.root, digest: digestOf(Buffer.from(parts.join("\0"), "latin1")) };
  }

  whyMissing(path: BytePath): string | undefined {
    const { excludes = [], ignoreFile } = this.#options;
    if (path === "" || this.#patterns === undefined || !this.#exists(path)) return undefined;
    if (this.lstat(path) !== undefined) return undefined;
    const decisive = this.#patterns.deciding(path);
    if (decisive === undefined) return undefined;
    const line = ignoreFile?.lines?.[decisive];
    const place = `"${ignoreFile?.name ?? ".dockerignore"}"${line === undefined ? "" : ` line ${line}`}`;
    return `${place} ("${excludes[decisive] ?? ""}") leaves it out`;
  }

  #cached(path: BytePath): Digest | undefined {
    const fingerprint = this.#look(path)?.fingerprint;
    return fingerprint === undefined ? undefined : this.#options.digestCache?.lookup(path, fingerprint);
  }

  async #hash(paths: readonly BytePath[], found: Map<BytePath, Digest>, signal: AbortSignal): Promise<void> {
    const hashed = await hashSources(this.#sources(paths), signal).catch((error: unknown) => {
      throw this.#unreadable(error);
    });
    for (const [path, { digest, size }] of hashed) {
      const known = this.#look(path);
      if (known?.entry?.size !== size) {
        throw new BuildError(
          "CONTEXT",
          `"${displayPath(path)}" changed while it was read: ${known?.entry?.size ?? 0} bytes expected, ${size} found`,
          {
            hint: "let whatever writes to it finish, and build again",
          },
        );
      }
      if (known.fingerprint !== undefined) this.#options.digestCache?.store(path, known.fingerprint, digest);
      this.#digests.set(path, digest);
      found.set(path, digest);
    }
  }

  #sources(paths: readonly BytePath[]): Map<BytePath, ContentSource> {
    const sources = new Map<BytePath, ContentSource>();
    for (const path of paths) {
      // A socket is an empty file to BuildKit: there are no bytes to read.
      if (this.#look(path)?.isSocket) sources.set(path, { kind: "bytes", bytes: new Uint8Array() });
      else sources.set(path, { kind: "path", path: this.#onDisk(path) });
    }
    return sources;
  }

  #stateOf(path: BytePath): string | undefined {
    const known = this.#look(path);
    const { entry } = known ?? {};
    const isPlainPath = path === "" || this.#isPlainDirectory(parentOf(path));
    if (entry === undefined || !isPlainPath || this.#options.digestCache === undefined) return undefined;
    if (entry.type !== "dir") {
      const { fingerprint } = known ?? {};
      if (fingerprint === undefined || !this.#hasSettled(() => [settlingOf(fingerprint)])) return undefined;
      return `file ${entry.mode} ${fingerprint}`;
    }
    const scan = this.#scan(path);
    if (scan === undefined || !this.#hasSettled(() => scan.settlings())) return undefined;
    return `dir ${entry.mode} ${scan.state()}`;
  }

  #hasSettled(settlings: () => readonly Settling[]): boolean {
    const { digestCache, kept } = this.#options;
    return (
      kept !== undefined || (digestCache !== undefined && settlings().every((each) => digestCache.isSettled(each)))
    );
  }

  /** Whether directories alone lead to a directory, all of them seen. */
  #isPlainDirectory(path: BytePath): boolean {
    return this.lstat(path)?.type === "dir" && (path === "" || this.#isPlainDirectory(parentOf(path)));
  }

  #scan(top: BytePath): TreeScan | undefined {
    if (!this.#scans.has(top)) {
      const walk = top === "" ? this.#patterns?.walk() : this.#walkAt(top);
      const isSkipped = (directory: BytePath): boolean => walk?.visit(directory, true) === "excluded-tree";
      this.#scans.set(top, this.#options.kept?.scan?.below(top) ?? scanTree(this.root, top, isSkipped));
    }
    return this.#scans.get(top);
  }

  /** The names of a directory that was scanned; what is known of them is taken over. */
  #takeScanned(path: BytePath): readonly BytePath[] | undefined {
    for (const scan of this.#scans.values()) {
      const directory = scan?.directory(path);
      const parent = this.#known.get(path);
      if (scan === undefined || directory === undefined || parent === undefined) continue;
      for (const [number, name] of directory.names.entries()) {
        const below = joinBytes(path, name);
        const stat = scan.stat(directory, number, below);
        // One that was not looked into is asked for when somebody wants to know.
        if (stat !== undefined && !this.#known.has(below)) this.#known.set(below, this.#judged(below, parent, stat));
      }
      return directory.names;
    }
    return undefined;
  }

  #look(path: BytePath): Known | undefined {
    if (this.#known.has(path)) return this.#known.get(path);
    const known = path === "" ? this.#rootKnown() : this.#lookBelow(path);
    this.#known.set(path, known);
    return known;
  }

  #rootKnown(): Known {
    const stat = this.#stat("");
    if (stat === undefined || typeOf(stat) !== "dir")
      throw new BuildError("CONTEXT", `the build context "${displayPath(this.root)}" is not a directory`);
    // A client's root directory does not travel with its files: it is a plain one.
    return knownOf(stat, { ...entryOf("", stat), mode: 0o755 }, this.#patterns?.walk());
  }

  #lookBelow(path: BytePath): Known | undefined {
    const parent = this.#look(parentOf(path));
    if (parent?.isDirectory !== true) return undefined;
    const stat = this.#stat(path);
    return stat && this.#judged(path, parent, stat);
  }

  #judged(path: BytePath, parent: Known, stat: FileStat): Known {
    const isDirectory = typeOf(stat) === "dir";
    const verdict = parent.walk?.visit(path, isDirectory) ?? "kept";
    const walk = isDirectory ? this.#walkAt(path) : undefined;
    if (verdict === "kept") return knownOf(stat, this.#entry(path, stat), walk);
    const unseen = knownOf(stat, undefined, walk);
    if (!isDirectory || verdict === "excluded-tree") return unseen;
    // An excluded directory is seen as the parent of what a "!" pattern takes back.
    this.#known.set(path, unseen);
    const isParent = this.#read(path).some((name) => this.#look(joinBytes(path, name))?.entry !== undefined);
    return isParent ? knownOf(stat, this.#entry(path, stat), walk) : unseen;
  }

  /** The patterns as they are after the directories down to this one: a walk keeps only the branch it is on. */
  #walkAt(directory: BytePath): PatternWalk | undefined {
    const walk = this.#patterns?.walk();
    if (walk === undefined) return undefined;
    for (let slash = directory.indexOf("/"); slash > 0; slash = directory.indexOf("/", slash + 1))
      walk.visit(directory.slice(0, slash), true);
    walk.visit(directory, true);
    return walk;
  }

  #entry(path: BytePath, stat: FileStat): Entry {
    const entry = entryOf(path, stat);
    if (entry.type !== "symlink") return entry;
    return { ...entry, link: readlinkSync(fsPath(this.#onDisk(path)), { encoding: "latin1" }) };
  }

  #exists(path: BytePath): boolean {
    const parent = this.#look(parentOf(path));
    return parent?.isDirectory === true && this.#stat(path) !== undefined;
  }

  #stat(path: BytePath): FileStat | undefined {
    try {
      const stat = lstatSync(fsPath(this.#onDisk(path)), { bigint: true, throwIfNoEntry: false });
      return stat && statOf(stat);
    } catch (error) {
      if (isErrno(error, "ENOTDIR", "ENAMETOOLONG")) return undefined;
      throw this.#unreadable(error);
    }
  }

  #read(path: BytePath): readonly BytePath[] {
    const scanned = this.#takeScanned(path);
    if (scanned !== undefined) return scanned;
    try {
      return readdirSync(fsPath(this.#onDisk(path)), { encoding: "latin1" }).sort(compareBytes);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #onDisk(path: BytePath): BytePath {
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  #unreadable(error: unknown): unknown {
    if (!isSystemError(error) || error.path === undefined) return error;
    const root = `${displayPath(this.root)}/`;
    const name = error.path.startsWith(root) ? error.path.slice(root.length) : error.path;
    const why = isErrno(error, "EACCES", "EPERM")
      ? "permission denied"
      : isErrno(error, "ENOENT")
        ? "it is gone"
        : error.message;
    return new BuildError("CONTEXT", `"${name}" in the build context cannot be read: ${why}`, {
      cause: error,
      hint: `make it readable, or leave it out with a line "${name}" in ".dockerignore"`,
    });
  }
}

function knownOf(stat: FileStat, entry: Entry | undefined, walk: PatternWalk | undefined): Known {
  const type = typeOf(stat);
  const socket = isSocket(stat);
  const fingerprint = type === "file" && !socket ? stat.fingerprint : undefined;
  return { entry, isDirectory: type === "dir", isSocket: socket, inode: stat.inode, fingerprint, walk };
}

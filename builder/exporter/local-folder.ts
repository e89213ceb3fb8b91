// Writes entries into a folder of the user, synchronously. All bytes are written to a
// staging folder first; only then are things moved to their places, which needs no space
// and takes a moment. So a full disk, an unreadable file or Ctrl-C leave the folder as it was.

import * as fs from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { baseOf, bytePath, displayPath, fsPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import { isErrno, isSystemError } from "../core/errors.ts";
import type { SourcedEntry } from "../layer/entry.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import type { LocalLook } from "./local-files.ts";
import { clear, finish, lstat, makeEntry } from "./local-files.ts";

export interface LocalRequest extends LocalLook {
  /** Parents first, what is in a directory right after it, hard links after their targets. */
  readonly entries: readonly SourcedEntry[];
  readonly root: string;
  /** A path where nothing is: beside a root that is new, in one that is there. The caller takes it away after a failure. */
  readonly staging: string;
  /** Nothing is at the root yet. */
  readonly isNew: boolean;
  /** Also removes what the result does not have. */
  readonly deleteExtra: boolean;
  /** An Int32 that is not 0 once the work is to stop. */
  readonly stopFlag: SharedArrayBuffer;
}

/** What the thread says at its end. `skipped` are devices that it may not make. */
export type LocalAnswer =
  | { readonly kind: "done"; readonly skipped: readonly string[] }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly code: string | undefined;
      readonly path: string | undefined;
      /** Whether something of the result is in its place already. */
      readonly hasBegun: boolean;
    };

/** Writes everything; an error becomes an answer that names the path. */
export function writeLocal(request: LocalRequest): LocalAnswer {
  const folder = new LocalFolder(request);
  try {
    return { kind: "done", skipped: folder.write().map(displayPath) };
  } catch (error) {
    return {
      kind: "failed",
      message: error instanceof Error ? error.message : String(error),
      code: isSystemError(error) ? error.code : undefined,
      path: folder.at === "" ? undefined : displayPath(folder.at),
      hasBegun: folder.hasBegun,
    };
  }
}

class LocalFolder {
  /** Where the work is, for messages. */
  at: BytePath = "";
  hasBegun = false;
  readonly #request: LocalRequest;
  readonly #root: BytePath;
  readonly #staging: BytePath;
  readonly #skipped: BytePath[] = [];

  constructor(request: LocalRequest) {
    this.#request = request;
    this.#root = bytePath(request.root);
    this.#staging = bytePath(request.staging);
  }

  /** The paths of the devices that were left out. */
  write(): readonly BytePath[] {
    this.#stage();
    if (this.#request.isNew) {
      this.#finishDirectories(this.#staging);
      this.at = this.#root;
      fs.renameSync(fsPath(this.#staging), fsPath(this.#root));
      return this.#skipped;
    }
    this.#checkPlaces();
    this.hasBegun = true;
    this.#place();
    removeTree(this.#staging);
    if (this.#request.deleteExtra) this.#removeOthers();
    this.#finishDirectories(this.#root);
    return this.#skipped;
  }

  #stage(): void {
    const stop = new Int32Array(this.#request.stopFlag);
    const check = (): void => {
      if (Atomics.load(stop, 0) !== 0) throw new Error("stopped");
    };
    // Messages name the place that a thing is to have.
    this.at = this.#root;
    fs.mkdirSync(fsPath(this.#staging));
    for (const item of this.#request.entries) {
      check();
      const { path, link = "" } = item.entry;
      this.at = joinBytes(this.#root, path);
      const isMade = makeEntry(
        item,
        joinBytes(this.#staging, path),
        joinBytes(this.#staging, link),
        this.#request,
        check,
      );
      if (!isMade) this.#skipped.push(path);
    }
  }

  /** Whether directories that are there may be written, before anything is moved. */
  #checkPlaces(): void {
    for (const { entry } of this.#request.entries) {
      if (entry.type !== "dir") continue;
      this.at = joinBytes(this.#root, entry.path);
      const there = lstat(this.at);
      if (there?.isDirectory() !== true || there.uid === process.geteuid?.()) continue;
      fs.accessSync(fsPath(this.at), fs.constants.W_OK | fs.constants.X_OK);
    }
  }

  #place(): void {
    const skipped = new Set(this.#skipped);
    /** A directory that was moved with all that is in it. */
    let moved: BytePath | undefined;
    for (const item of this.#request.entries) {
      const { path, type } = item.entry;
      if ((moved !== undefined && path.startsWith(`${moved}/`)) || skipped.has(path)) continue;
      this.at = joinBytes(this.#root, path);
      const there = lstat(this.at);
      if (type === "dir" && there?.isDirectory() === true) {
        if ((there.mode & 0o700) !== 0o700) fs.chmodSync(fsPath(this.at), (there.mode & 0o7777) | 0o700);
        continue;
      }
      // A file is replaced by the rename: a reader sees the old one or the new one.
      if (there !== undefined && (type === "dir" || there.isDirectory())) clear(this.at);
      if (this.#move(item) && type === "dir") moved = path;
    }
  }

  /** False where a directory had to be made anew, because another file system is mounted there. */
  #move(item: SourcedEntry): boolean {
    const { path, type, link = "" } = item.entry;
    try {
      fs.renameSync(fsPath(joinBytes(this.#staging, path)), fsPath(this.at));
      return true;
    } catch (error) {
      if (!isErrno(error, "EXDEV")) throw error;
    }
    if (type === "dir") {
      fs.mkdirSync(fsPath(this.at), 0o700);
      return false;
    }
    const temporary = joinBytes(parentOf(this.at), baseOf(this.#staging));
    try {
      makeEntry(item, temporary, joinBytes(this.#root, link), this.#request, () => {});
      fs.renameSync(fsPath(temporary), fsPath(this.at));
    } catch (error) {
      clear(temporary);
      throw error;
    }
    return true;
  }

  /** Last, children before parents: what is written into a directory changes its time, and it may be read-only. */
  #finishDirectories(root: BytePath): void {
    for (const { entry } of this.#request.entries.toReversed()) {
      if (entry.type !== "dir") continue;
      this.at = joinBytes(this.#root, entry.path);
      finish(joinBytes(root, entry.path), entry, this.#request);
    }
  }

  #removeOthers(): void {
    const kept = new Set(this.#request.entries.map(({ entry }) => entry.path));
    const visit = (directory: BytePath): void => {
      for (const name of fs.readdirSync(fsPath(joinBytes(this.#root, directory)), { encoding: "latin1" })) {
        const path = joinBytes(directory, name);
        this.at = joinBytes(this.#root, path);
        if (!kept.has(path)) clear(this.at);
        else if (lstat(this.at)?.isDirectory() === true) visit(path);
      }
    };
    visit("");
  }
}

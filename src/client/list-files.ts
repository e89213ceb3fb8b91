// The files of a folder as they are sent to a daemon: without what its ignore file leaves out, owned by root, as buildx
// sends them.

import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../builder/core/bytes/byte-path.ts";
import { bytePath, compareBytes, fsPath, joinBytes, parentOf } from "../../builder/core/bytes/byte-path.ts";
import type { ClientFile, OutgoingFile } from "../../builder/core/client-file.ts";
import { isErrno } from "../../builder/core/errors.ts";
import { compilePatterns } from "../../builder/core/patterns/pattern.ts";
import { deviceNumbers } from "../../builder/core/system/syscall.ts";

const MOST_LINKS = 40;

/** What is wanted of a folder. */
export interface Wanted {
  /** Patterns of an ignore file. */
  readonly excludes: readonly string[];
  /** Paths and patterns; links in them are followed. Empty: all. */
  readonly paths: readonly string[];
}

/** The files, parents first, what is in a directory right after it, hard links after their targets. Throws `CONTEXT` for a bad pattern. */
export function listFiles(root: string, { excludes, paths }: Wanted): readonly OutgoingFile[] {
  const rootBytes = bytePath(root);
  const included = paths.length === 0 ? undefined : new Included(rootBytes, paths);
  const walk = compilePatterns(excludes).walk();
  const files: OutgoingFile[] = [];
  const inodes = new Map<string, BytePath>();
  /** Directories that are left out themselves, told of when something beneath them is kept. */
  const pending: OutgoingFile[] = [];
  const visit = (directory: BytePath): void => {
    for (const name of names(joinBytes(rootBytes, directory))) {
      const path = joinBytes(directory, name);
      const real = joinBytes(rootBytes, path);
      const stat = lstatSync(fsPath(real), { bigint: true });
      const isDirectory = stat.isDirectory();
      const inclusion = included?.judge(path) ?? "whole";
      if (inclusion === "no" || (inclusion === "parent" && !isDirectory)) continue;
      const verdict = walk.visit(path, isDirectory);
      if (verdict === "excluded-tree" || (verdict === "excluded" && !isDirectory)) continue;
      const file = fileOf(path, real, stat, inodes);
      if (file === undefined) continue;
      const outgoing: OutgoingFile = file.type === "file" ? { file, source: { kind: "path", path: real } } : { file };
      if (verdict === "excluded") {
        pending.push(outgoing);
        visit(path);
        if (pending.at(-1) === outgoing) pending.pop();
        continue;
      }
      files.push(...pending.splice(0), outgoing);
      if (isDirectory) visit(path);
    }
  };
  visit("");
  return files;
}

function names(directory: BytePath): readonly BytePath[] {
  return readdirSync(fsPath(directory), { encoding: "buffer" })
    .map((name) => name.toString("latin1"))
    .toSorted(compareBytes);
}

/** A socket is nothing that can be sent. */
function fileOf(
  path: BytePath,
  real: BytePath,
  stat: BigIntStats,
  inodes: Map<string, BytePath>,
): ClientFile | undefined {
  const common = {
    path,
    mode: Number(stat.mode & 0o7777n),
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: stat.mtimeNs,
  };
  if (stat.isSocket()) return undefined;
  if (stat.isDirectory()) return { ...common, type: "dir" };
  if (stat.isSymbolicLink())
    return {
      ...common,
      type: "symlink",
      link: readlinkSync(fsPath(real), { encoding: "buffer" }).toString("latin1"),
    };
  if (stat.isFIFO()) return { ...common, type: "fifo" };
  if (stat.isCharacterDevice() || stat.isBlockDevice())
    return {
      ...common,
      type: stat.isBlockDevice() ? "block" : "char",
      ...deviceNumbers(stat.rdev),
    };
  if (stat.nlink > 1n) {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = inodes.get(inode);
    if (first !== undefined) return { ...common, type: "hardlink", link: first };
    inodes.set(inode, path);
  }
  return { ...common, type: "file", size: Number(stat.size) };
}

/** The paths that were asked for by name, with where their links lead. */
class Included {
  readonly #root: BytePath;
  readonly #paths = new Set<BytePath>();
  readonly #parents = new Set<BytePath>();

  constructor(root: BytePath, paths: readonly string[]) {
    this.#root = root;
    for (const path of paths) this.#follow([], parts(bytePath(path)), 0);
  }

  judge(path: BytePath): "whole" | "parent" | "no" {
    if (this.#paths.has("")) return "whole";
    for (let at = path; at !== ""; at = parentOf(at)) if (this.#paths.has(at)) return "whole";
    return this.#parents.has(path) ? "parent" : "no";
  }

  #follow(done: readonly BytePath[], rest: readonly BytePath[], links: number): void {
    const [next, ...more] = rest;
    const here = done.join("/");
    if (next === undefined) return this.#add(here);
    if (next === "..") return this.#follow(done.slice(0, -1), more, links);
    if (/[*?[\\]/.test(next)) {
      const pattern = compilePatterns([next]);
      for (const name of this.#names(here)) if (pattern.matchesPath(name)) this.#follow(done, [name, ...more], links);
      return;
    }
    const path = joinBytes(here, next);
    const target = this.#linkAt(path);
    if (target === undefined || links >= MOST_LINKS) return this.#follow([...done, next], more, links);
    this.#add(path);
    const from = target.startsWith("/") ? [] : done;
    this.#follow(from, [...parts(target), ...more], links + 1);
  }

  #add(path: BytePath): void {
    this.#paths.add(path);
    for (let at = path; at !== "";) {
      at = parentOf(at);
      this.#parents.add(at);
    }
  }

  #names(directory: BytePath): readonly BytePath[] {
    try {
      return names(joinBytes(this.#root, directory));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
      throw error;
    }
  }

  #linkAt(path: BytePath): BytePath | undefined {
    try {
      return readlinkSync(fsPath(joinBytes(this.#root, path)), {
        encoding: "buffer",
      }).toString("latin1");
    } catch {
      return undefined; // not there, or no link: what it is, the walk will see
    }
  }
}

function parts(path: BytePath): readonly BytePath[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

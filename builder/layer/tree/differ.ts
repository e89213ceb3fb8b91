// What a step changed: the upper directory of its overlay, each entry compared with what
// the layers below have at its path. The rules are BuildKit's (util/overlay), with two
// differences in the user's favour: content is compared whenever the rest agrees, so a
// rewrite within a clock tick is not lost; and a file that a socket replaced is deleted.

import { lstatSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, compareBytes, displayPath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import { lgetxattr } from "../../core/system/syscall.ts";
import { ContentComparer } from "./compare-content.ts";
import {
  capabilityOf,
  entryOf,
  entryOnDisk,
  hasSameCapability,
  isSameDirectory,
  isWhiteout,
  pathSet,
  readLink,
  readNames,
  whiteoutOf,
} from "./disk-entry.ts";
import type { Entry, SourcedEntry } from "../entry.ts";
import type { DiffRequest } from "../jobs/jobs.ts";
import { linkEntry } from "../order.ts";

/** Does `LayerJobs.diff`. `check` throws when the job is to stop. */
export function diff(request: DiffRequest, check: () => void): SourcedEntry[] {
  return new Differ(request, check).run();
}

/** The directory of every lower layer that shows through at a path, topmost first. */
type LowerDirectories = readonly BytePath[];

class Differ {
  readonly #upper: BytePath;
  readonly #lowers: LowerDirectories;
  readonly #namespace: "trusted" | "user";
  readonly #ignore: ReadonlySet<BytePath>;
  readonly #leaveOut: ReadonlySet<BytePath>;
  readonly #check: () => void;
  readonly #found: SourcedEntry[] = [];
  /** First name of each inode that has several. */
  readonly #inodes = new Map<string, Entry>();
  /** Names that are as they were, of each inode that has several. */
  readonly #unchanged = new Map<string, BytePath[]>();
  readonly #content = new ContentComparer();

  constructor(request: DiffRequest, check: () => void) {
    this.#upper = bytePath(request.upper);
    this.#lowers = request.lowers.map(bytePath);
    this.#namespace = request.overlayXattrs;
    this.#ignore = pathSet(request.ignore);
    this.#leaveOut = pathSet(request.leaveOut);
    this.#check = check;
  }

  run(): SourcedEntry[] {
    const lowers: BytePath[] = [];
    for (const lower of this.#lowers) {
      lowers.push(lower);
      if (this.#isOpaque(lower)) break;
    }
    this.#walk("", this.#upper, lowers, this.#isOpaque(this.#upper));
    return this.#unchanged.size === 0 ? this.#found : this.#withLowerNames();
  }

  /**
   * Compares one directory. `isReplaced`: it (or one above it) was removed and made again, so whatever the
   * lower layers have and it has not is deleted, one whiteout a path as BuildKit writes them.
   */
  #walk(path: BytePath, directory: BytePath, lowers: LowerDirectories, isReplaced: boolean): void {
    const names = new Set(readNames(directory));
    const lowerNames = isReplaced ? namesBelow(lowers) : [];
    const all = lowerNames.length === 0 ? [...names] : [...new Set([...names, ...lowerNames])];
    for (const name of all.sort(compareBytes)) {
      this.#check();
      const child = joinBytes(path, name);
      if (this.#leaveOut.has(child)) continue;
      if (names.has(name)) this.#compare(child, joinBytes(directory, name), lowers, name, isReplaced);
      else if (find(lowers, name) !== undefined) this.#add({ entry: whiteoutOf(child) });
    }
  }

  #compare(path: BytePath, absolute: BytePath, lowers: LowerDirectories, name: BytePath, isReplaced: boolean): void {
    const stat = lstatSync(fsPath(absolute), { bigint: true });
    const below = find(lowers, name);
    if (stat.isDirectory()) {
      this.#compareDirectory(path, absolute, stat, below, lowers, name, isReplaced);
      return;
    }
    if (this.#ignore.has(path)) return;
    if (isWhiteout(stat) || stat.isSocket()) {
      if (below !== undefined) this.#add({ entry: whiteoutOf(path) });
      return;
    }
    if (below !== undefined && this.#isSame(absolute, stat, below)) {
      this.#keepName(path, stat);
      return;
    }
    this.#add(this.#sourced(path, absolute, stat));
  }

  #compareDirectory(
    path: BytePath,
    absolute: BytePath,
    stat: BigIntStats,
    below: Found | undefined,
    lowers: LowerDirectories,
    name: BytePath,
    isReplaced: boolean,
  ): void {
    this.#refuseRedirect(path, absolute);
    const isListed = !this.#ignore.has(path) && (below === undefined || !isSameDirectory(stat, below.stat));
    const before = this.#found.length;
    const item = { entry: entryOf(path, "dir", stat) };
    this.#found.push(item);
    const through = below?.stat.isDirectory() === true ? this.#directoriesBelow(lowers, name) : [];
    this.#walk(path, absolute, through, isReplaced || (through.length > 0 && this.#isOpaque(absolute)));
    // A directory that only lies around a change is listed as its parent; around none, not at all.
    if (!isListed && this.#found.length === before + 1) this.#found.pop();
  }

  /** The lower directories that are merged at a name: down to the first that hides the rest. */
  #directoriesBelow(lowers: LowerDirectories, name: BytePath): BytePath[] {
    const found: BytePath[] = [];
    for (const lower of lowers) {
      const path = joinBytes(lower, name);
      const stat = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (!stat.isDirectory()) break;
      found.push(path);
      if (this.#isOpaque(path)) break;
    }
    return found;
  }

  #isSame(absolute: BytePath, stat: BigIntStats, below: Found): boolean {
    const other = below.stat;
    if (stat.mode !== other.mode || stat.uid !== other.uid || stat.gid !== other.gid) return false;
    if (stat.rdev !== other.rdev || stat.size !== other.size || stat.mtimeNs !== other.mtimeNs) return false;
    if (stat.isSymbolicLink()) return readLink(absolute) === readLink(below.path);
    if (!stat.isFile()) return true;
    return (
      hasSameCapability(capabilityOf(absolute), capabilityOf(below.path)) && this.#content.isEqual(absolute, below.path)
    );
  }

  #sourced(path: BytePath, absolute: BytePath, stat: BigIntStats): SourcedEntry {
    const inode = inodeOf(stat);
    const first = inode === undefined ? undefined : this.#inodes.get(inode);
    if (first !== undefined) return { entry: linkEntry(first, path, first.path) };
    const entry = entryOnDisk(path, absolute, stat);
    if (inode !== undefined) this.#inodes.set(inode, entry);
    return entry.type === "file" ? { entry, source: { kind: "path", path: absolute } } : { entry };
  }

  #keepName(path: BytePath, stat: BigIntStats): void {
    const inode = stat.isFile() ? inodeOf(stat) : undefined;
    if (inode === undefined) return;
    const names = this.#unchanged.get(inode);
    if (names === undefined) this.#unchanged.set(inode, [path]);
    else names.push(path);
  }

  #withLowerNames(): SourcedEntry[] {
    const namesOf = new Map([...this.#inodes].map(([inode, entry]) => [entry, this.#unchanged.get(inode)]));
    return this.#found.map((item) => {
      const lowerNames = namesOf.get(item.entry);
      return lowerNames === undefined ? item : { ...item, entry: { ...item.entry, lowerNames } };
    });
  }

  #add(item: SourcedEntry): void {
    this.#found.push(item);
  }

  #isOpaque(directory: BytePath): boolean {
    const value = lgetxattr(directory, `${this.#namespace}.overlay.opaque`);
    return value?.length === 1 && value[0] === 0x79; // "y"
  }

  /** A renamed directory would lie here empty. We mount with redirects off, so this shows a foreign mount. */
  #refuseRedirect(path: BytePath, absolute: BytePath): void {
    if (lgetxattr(absolute, `${this.#namespace}.overlay.redirect`) === undefined) return;
    throw new BuildError("INTERNAL", `"/${displayPath(path)}" was renamed by an overlay mounted with redirect_dir`);
  }
}

/** Names the inode of a file that has several names. */
function inodeOf(stat: BigIntStats): string | undefined {
  return stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;
}

interface Found {
  readonly path: BytePath;
  readonly stat: BigIntStats;
}

/** What the lower layers show at a name of a directory. */
function find(lowers: LowerDirectories, name: BytePath): Found | undefined {
  for (const lower of lowers) {
    const path = joinBytes(lower, name);
    const stat = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
    if (stat !== undefined) return isWhiteout(stat) ? undefined : { path, stat };
  }
  return undefined;
}

function namesBelow(lowers: LowerDirectories): BytePath[] {
  return lowers.flatMap(readNames);
}

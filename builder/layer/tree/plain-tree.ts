// A rootfs without overlayfs: all layers written as one plain directory, with a note of
// what each path looked like; afterwards a second walk tells what a step changed. The
// rules are the differ's, and so is what comes out: a directory in overlay form, and its entries.

import { lstatSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { deserialize, serialize } from "node:v8";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, compareBytes, fsPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { digestOfFile } from "./content.ts";
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
import type { ChangesRequest, PlainChanges, PlainRequest, WithEntries } from "../jobs/jobs.ts";
import { linkEntry } from "../order.ts";
import { OverlayTree } from "./overlay-tree.ts";
import { write } from "./write.ts";

/** Does `LayerJobs.plain`. `check` throws when the job is to stop. */
export function plain(request: PlainRequest, check: () => void): void {
  const { directory, overlayXattrs, baselineFile } = request;
  const entries = apart(request);
  const { entries: written } = write({ entries, directory, overlayXattrs, hardlinkSources: false }, check);
  writeFileSync(baselineFile, serialize(baselineOf(bytePath(directory), written, check)));
}

/** The entries to write: hard links that are to be files of their own have the bytes of what they are links to. */
function apart({ entries, apart: names = [] }: PlainRequest): readonly SourcedEntry[] {
  if (names.length === 0) return entries;
  const own = new Set(names);
  const files = new Map(entries.map((item) => [item.entry.path, item]));
  return entries.map((item) => {
    const { type, path, link } = item.entry;
    const target = type === "hardlink" && own.has(path) ? files.get(link ?? "") : undefined;
    return target === undefined ? item : { ...target, entry: { ...target.entry, path } };
  });
}

/** Does `LayerJobs.changes`. */
export function changes(request: ChangesRequest, check: () => void): WithEntries<PlainChanges> {
  const baseline = deserialize(readFileSync(request.baselineFile)) as Baseline; // written by `plain` in this build
  const root = bytePath(request.directory);
  const { found, shared } = new TreeComparer(root, baseline, request, check).run();
  if (shared.length > 0) return { entries: [], shared };
  const tree = new OverlayTree(request.outDirectory, request.overlayXattrs);
  try {
    carryOver(found, root, tree, check);
  } catch (error) {
    tree.abandon();
    throw error;
  }
  return { entries: found, shared };
}

/** A path before the step. */
interface Before {
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly size: bigint;
  readonly rdev: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  /** An inode's number is used again: with this it is known. */
  readonly birthtimeNs: bigint;
  /** A file with more names. */
  readonly isShared: boolean;
  readonly link: BytePath | undefined;
  readonly capability: Uint8Array | undefined;
  /** Of a regular file's content. */
  readonly digest: Digest | undefined;
}

type Baseline = ReadonlyMap<BytePath, Before>;

/** What lies on disk after the write: devices that could not be made are not there, and so will not be missing. */
function baselineOf(root: BytePath, written: readonly Entry[], check: () => void): Baseline {
  const digests = new Map<BytePath, Digest | undefined>();
  for (const entry of written)
    digests.set(entry.path, entry.type === "hardlink" ? digests.get(entry.link ?? "") : entry.digest);
  const baseline = new Map<BytePath, Before>();
  const walk = (path: BytePath): void => {
    for (const name of readNames(joinBytes(root, path))) {
      check();
      const child = joinBytes(path, name);
      const absolute = joinBytes(root, child);
      const stat = lstat(absolute);
      const { mode, uid, gid, size, rdev, mtimeNs, ctimeNs, ino, birthtimeNs } = stat;
      const link = stat.isSymbolicLink() ? readLink(absolute) : undefined;
      const capability = stat.isFile() ? capabilityOf(absolute) : undefined;
      baseline.set(child, {
        mode,
        uid,
        gid,
        size,
        rdev,
        mtimeNs,
        ctimeNs,
        ino,
        birthtimeNs,
        isShared: stat.isFile() && stat.nlink > 1n,
        link,
        capability,
        digest: digests.get(child),
      });
      if (stat.isDirectory()) walk(child);
    }
  };
  walk("");
  return baseline;
}

class TreeComparer {
  readonly #root: BytePath;
  readonly #baseline: Baseline;
  readonly #namesBefore: ReadonlyMap<BytePath, readonly BytePath[]>;
  readonly #ignore: ReadonlySet<BytePath>;
  readonly #leaveOut: ReadonlySet<BytePath>;
  readonly #check: () => void;
  readonly #buffer = Buffer.allocUnsafeSlow(256 << 10);
  readonly #found: Entry[] = [];
  /** First name of each changed inode that has several. */
  readonly #inodes = new Map<bigint, Entry>();
  /** Names that are as they were, of each inode that has several. */
  readonly #unchanged = new Map<bigint, BytePath[]>();
  /** Names of each inode that had several. */
  readonly #sharing = new Map<bigint, BytePath[]>();
  readonly #shared = new Set<BytePath>();

  constructor(
    root: BytePath,
    baseline: Baseline,
    { ignore, leaveOut }: Pick<ChangesRequest, "ignore" | "leaveOut">,
    check: () => void,
  ) {
    this.#root = root;
    this.#baseline = baseline;
    this.#namesBefore = Map.groupBy(baseline.keys(), parentOf);
    this.#ignore = pathSet(ignore);
    this.#leaveOut = pathSet(leaveOut);
    this.#check = check;
    for (const [path, { ino, isShared }] of baseline) {
      if (!isShared) continue;
      const names = this.#sharing.get(ino);
      if (names === undefined) this.#sharing.set(ino, [path]);
      else names.push(path);
    }
  }

  run(): { readonly found: Entry[]; readonly shared: readonly BytePath[] } {
    this.#walk("", this.#namesBefore.get("") ?? []);
    return {
      found: this.#unchanged.size === 0 ? this.#found : this.#withLowerNames(),
      shared: [...this.#shared].sort(compareBytes),
    };
  }

  #walk(path: BytePath, before: readonly BytePath[]): void {
    const children = new Set(readNames(joinBytes(this.#root, path)).map((name) => joinBytes(path, name)));
    for (const child of [...new Set([...children, ...before])].sort(compareBytes)) {
      this.#check();
      if (this.#leaveOut.has(child)) continue;
      if (children.has(child)) this.#compare(child);
      else this.#found.push(whiteoutOf(child));
    }
  }

  #compare(path: BytePath): void {
    const absolute = joinBytes(this.#root, path);
    const stat = lstat(absolute);
    const before = this.#baseline.get(path);
    if (stat.isDirectory()) {
      this.#compareDirectory(path, stat, before);
      return;
    }
    if (this.#ignore.has(path)) return;
    if (isWhiteout(stat) || stat.isSocket()) {
      if (before !== undefined) this.#found.push(whiteoutOf(path));
      return;
    }
    if (before !== undefined && this.#isSame(path, absolute, stat, before)) {
      this.#keepName(path, stat);
      return;
    }
    this.#found.push(this.#changed(path, absolute, stat));
    this.#noteShared(path, absolute, stat);
  }

  /** Under whichever name: the file itself is what had several and is another one now. */
  #noteShared(path: BytePath, absolute: BytePath, stat: BigIntStats): void {
    const names = this.#sharing.get(stat.ino) ?? [];
    const before = this.#baseline.get(names[0] ?? "");
    if (before === undefined || before.birthtimeNs !== stat.birthtimeNs) return;
    if (this.#isSame(path, absolute, stat, before)) return; // a new name
    for (const name of names) this.#shared.add(name);
  }

  #compareDirectory(path: BytePath, stat: BigIntStats, before: Before | undefined): void {
    const isListed = !this.#ignore.has(path) && (before === undefined || !isSameDirectory(stat, before));
    const place = this.#found.length;
    this.#found.push(entryOf(path, "dir", stat));
    this.#walk(
      path,
      (before !== undefined && stat.mode >> 12n === before.mode >> 12n ? this.#namesBefore.get(path) : undefined) ?? [],
    );
    // A directory that only lies around a change is listed as its parent; around none, not at all.
    if (!isListed && this.#found.length === place + 1) this.#found.pop();
  }

  #isSame(path: BytePath, absolute: BytePath, stat: BigIntStats, before: Before): boolean {
    if (stat.mode !== before.mode || stat.uid !== before.uid || stat.gid !== before.gid) return false;
    if (stat.rdev !== before.rdev || stat.size !== before.size || stat.mtimeNs !== before.mtimeNs) return false;
    if (stat.ino === before.ino && stat.ctimeNs === before.ctimeNs) return true;
    if (stat.isSymbolicLink()) return readLink(absolute) === before.link;
    if (!stat.isFile()) return true;
    if (!hasSameCapability(capabilityOf(absolute), before.capability)) return false;
    const entry = { ...entryOf(path, "file", stat), size: Number(stat.size) };
    return before.digest === digestOfFile({ entry, source: { kind: "path", path: absolute } }, this.#buffer);
  }

  #changed(path: BytePath, absolute: BytePath, stat: BigIntStats): Entry {
    const first = stat.nlink > 1n ? this.#inodes.get(stat.ino) : undefined;
    if (first !== undefined) return linkEntry(first, path, first.path);
    const entry = entryOnDisk(path, absolute, stat);
    if (stat.nlink > 1n) this.#inodes.set(stat.ino, entry);
    return entry;
  }

  #keepName(path: BytePath, stat: BigIntStats): void {
    if (!stat.isFile() || stat.nlink === 1n) return;
    const names = this.#unchanged.get(stat.ino);
    if (names === undefined) this.#unchanged.set(stat.ino, [path]);
    else names.push(path);
  }

  #withLowerNames(): Entry[] {
    const namesOf = new Map([...this.#inodes].map(([inode, entry]) => [entry, this.#unchanged.get(inode)]));
    return this.#found.map((entry) => {
      const lowerNames = namesOf.get(entry);
      return lowerNames === undefined ? entry : { ...entry, lowerNames };
    });
  }
}

/** Moves what changed out of the tree, which is thrown away afterwards. */
function carryOver(found: readonly Entry[], root: BytePath, tree: OverlayTree, check: () => void): void {
  for (const entry of found) {
    check();
    if (entry.type === "dir") tree.makeDirectory(entry.path);
    else if (entry.type === "whiteout") markDeleted(tree, entry.path);
    else renameSync(fsPath(joinBytes(root, entry.path)), fsPath(tree.pathOf(entry.path)));
  }
  for (const entry of found.toReversed()) if (entry.type === "dir") tree.setAttributes(entry.path, entry);
  tree.setAttributes("", entryOf("", "dir", lstat(root)));
}

/** Where no mark can be made there are no overlays either: the directory then only serves to read its files. */
function markDeleted(tree: OverlayTree, path: BytePath): void {
  try {
    tree.makeWhiteout(path);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
  }
}

function lstat(path: BytePath): BigIntStats {
  return lstatSync(fsPath(path), { bigint: true });
}

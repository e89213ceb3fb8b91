// Digests of what an op reads: names, types, modes, link targets and bytes; for images
// also owners, capabilities and device numbers. Never times, never where it lies.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { joinBytes } from "../../core/bytes/byte-path.ts";
import { bytePieces } from "../../core/bytes/byte-pieces.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester, digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { FileOp } from "../../graph/op.ts";
import type { Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { resolvePath } from "../../layer/tree/resolve-path.ts";
import { select } from "./select.ts";

/** What a digest was made of, for whoever wants to say which part of it is another one. */
export interface ListedEntry {
  /** Where it is in the tree that was read. */
  readonly path: BytePath;
  readonly type: Entry["type"];
  readonly mode: number;
  /** Only where owners count. */
  readonly owner?: string | undefined;
  /** A symlink's target, a device's numbers. */
  readonly link?: string | undefined;
  readonly capability?: string | undefined;
  /** Of a file's content. */
  readonly digest?: string | undefined;
}

/** A digest with what it was made of. */
export interface Listed {
  readonly digest: Digest;
  readonly entries: () => Iterable<ListedEntry>;
}

/** What the copies of a file op take from their inputs. Throws when something they name is not there. */
export async function selectionDigest(op: FileOp, trees: readonly FileTree[], signal: AbortSignal): Promise<Digest> {
  return (await selectionListed(op, trees, signal)).digest;
}

/** The same with what it was made of. */
export async function selectionListed(op: FileOp, trees: readonly FileTree[], signal: AbortSignal): Promise<Listed> {
  const parts: Digest[] = [];
  const listings: Listing[] = [];
  for (const action of op.actions) {
    if (action.action !== "copy") continue;
    const tree = trees[action.from];
    if (tree === undefined)
      throw new BuildError("INTERNAL", `a copy reads from input ${action.from}, which is not there`);
    const listing = new Listing(tree, !action.resetOwner);
    for (const source of select(action, tree)) {
      const [top] = source.items;
      // Of a directory whose contents are copied neither the name nor the mode is used.
      const isContents = action.dirContentsOnly && top?.entry.type === "dir";
      listing.begin(isContents ? "" : source.name);
      for (const item of source.items) {
        if (isContents && item === top) continue;
        listing.add(item.name, item.path, item.entry, item.isParentOnly);
      }
    }
    parts.push(await listing.digest(signal));
    listings.push(listing);
  }
  return { digest: digestOf(parts.join("\n")), entries: () => entriesOf(listings) };
}

function* entriesOf(listings: readonly Listing[]): Iterable<ListedEntry> {
  for (const listing of listings) yield* listing.entries();
}

/** Everything at and below a path, links to it followed; the digest of nothing where nothing is. */
export async function treeDigest(tree: FileTree, path: BytePath, signal: AbortSignal): Promise<Digest> {
  return (await treeListed(tree, path, signal)).digest;
}

/** The same with what it was made of. */
export async function treeListed(tree: FileTree, path: BytePath, signal: AbortSignal): Promise<Listed> {
  const listing = new Listing(tree, true);
  const start = resolvePath(tree, path, { followLast: true });
  const walk = (entry: Entry, name: BytePath, at: BytePath): void => {
    listing.add(name, at, entry, false);
    if (entry.type !== "dir") return;
    for (const child of tree.list(at)) {
      const childPath = joinBytes(at, child);
      const below = tree.lstat(childPath);
      if (below !== undefined) walk(below, joinBytes(name, child), childPath);
    }
  };
  if (start.entry !== undefined) walk(start.entry, "", start.path);
  return { digest: await listing.digest(signal), entries: () => listing.entries() };
}

/** Lines, one an entry, with fields that hold no NUL. */
class Listing {
  readonly #tree: FileTree;
  readonly #withOwners: boolean;
  readonly #lines: string[] = [];
  /** For each line the file of which the digest belongs to it. */
  readonly #files: (BytePath | undefined)[] = [];
  readonly #listed: { readonly path: BytePath; readonly entry: Entry }[] = [];
  #digests: ReadonlyMap<BytePath, Digest> = new Map();
  readonly #inodes = new Map<string, number>();

  constructor(tree: FileTree, withOwners: boolean) {
    this.#tree = tree;
    this.#withOwners = withOwners && tree.origin === "image";
  }

  /** Starts another source: names and hard links count from here. */
  begin(name: BytePath): void {
    this.#addLine(`source\0${name}`, undefined);
    this.#inodes.clear();
  }

  add(name: BytePath, path: BytePath, entry: Entry, isParentOnly: boolean): void {
    let line = `${isParentOnly ? "parent" : entry.type}\0${name}\0`;
    line += entry.type === "symlink" ? (entry.link ?? "") : entry.mode;
    if (this.#withOwners) line += `\0${entry.uid}\0${entry.gid}`;
    if (entry.type === "char" || entry.type === "block") line += `\0${entry.major ?? 0}\0${entry.minor ?? 0}`;
    const capability = entry.xattrs?.["security.capability"];
    if (capability !== undefined) line += `\0${Buffer.from(capability).toString("hex")}`;
    let file: BytePath | undefined;
    if (entry.type === "file") {
      const inode = this.#tree.inode(path);
      const earlier = this.#inodes.get(inode);
      if (earlier === undefined) {
        file = path;
        this.#inodes.set(inode, this.#lines.length);
      } else line += `\0=${earlier}`;
    }
    this.#addLine(line, file);
    this.#listed.push({ path, entry });
  }

  #addLine(line: string, file: BytePath | undefined): void {
    this.#lines.push(line);
    this.#files.push(file);
  }

  /** After `digest`. */
  *entries(): Iterable<ListedEntry> {
    for (const { path, entry } of this.#listed) {
      const { type, mode } = entry;
      const capability = entry.xattrs?.["security.capability"];
      const isDevice = type === "char" || type === "block";
      yield {
        path,
        type,
        mode,
        owner: this.#withOwners ? `${entry.uid}:${entry.gid}` : undefined,
        link: type === "symlink" ? entry.link : isDevice ? `${entry.major ?? 0}:${entry.minor ?? 0}` : undefined,
        capability: capability && Buffer.from(capability).toString("hex"),
        digest: this.#digests.get(path),
      };
    }
  }

  async digest(signal: AbortSignal): Promise<Digest> {
    const files = this.#files.filter((file) => file !== undefined);
    this.#digests = await this.#tree.digests(files, signal);
    const digester = new Digester();
    for (const piece of bytePieces(this.#withDigests())) digester.update(piece);
    return digester.digest();
  }

  *#withDigests(): Iterable<string> {
    for (const [number, line] of this.#lines.entries()) {
      const file = this.#files[number];
      yield `${line}\0${file === undefined ? "" : this.#digests.get(file)}\0\0`;
    }
  }
}

// The layer of a work tree: what is new or different, the directories above it, and
// whiteouts for what is gone. A thing that was written again unchanged is left out.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, joinBytes } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ContentSource, Entry, SourcedEntry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { hashSources } from "../../layer/tree/hash-files.ts";
import { comparePaths, linkEntry } from "../../layer/order.ts";
import type { Inode, WorkNode, WorkTree } from "./work-tree.ts";
import { entryOf } from "./work-tree.ts";

/** An entry of the layer with the inode whose content it has; whiteouts have none. */
interface Change {
  readonly entry: Entry;
  readonly inode: Inode | undefined;
}

/** A file that looks as the one below it does, so that only the bytes can tell. */
interface Suspect {
  readonly path: BytePath;
  readonly inode: Inode;
}

/** The entries of the layer, sorted, parents included but never the root. */
export async function changesOf(tree: WorkTree, signal: AbortSignal): Promise<SourcedEntry[]> {
  const walk = new ChangeWalk(tree);
  walk.directory(tree.root, "");
  const rewritten = new Set(await differentContent(tree.base, walk.suspects, signal));
  const changes = walk.changes.concat(
    [...rewritten].map(({ path, inode }) => ({ entry: entryOf(inode, path), inode })),
  );
  const listed = withParents(tree, changes).sort((a, b) => comparePaths(a.entry.path, b.entry.path));
  return await withSources(withHardLinks(listed), signal);
}

class ChangeWalk {
  readonly changes: Change[] = [];
  readonly suspects: Suspect[] = [];
  readonly #tree: WorkTree;

  constructor(tree: WorkTree) {
    this.#tree = tree;
  }

  /** Compares the names of a directory with those below, at the same path. */
  directory(node: WorkNode, path: BytePath): void {
    const isBelow = this.#tree.base.lstat(path)?.type === "dir";
    for (const [name, child] of node.names) {
      const childPath = joinBytes(path, name);
      const below = isBelow ? this.#tree.base.lstat(childPath) : undefined;
      if (child !== undefined) this.#name(child, childPath, below);
      else if (below !== undefined) this.#gone(childPath);
    }
    if (node.base !== undefined || !isBelow) return;
    for (const name of this.#tree.base.list(path)) {
      if (!node.names.has(name)) this.#gone(joinBytes(path, name));
    }
  }

  #name(node: WorkNode, path: BytePath, below: Entry | undefined): void {
    const entry = entryOf(node.inode, path);
    if (below === undefined || !sameMetadata(entry, below)) this.changes.push({ entry, inode: node.inode });
    else if (entry.type === "file" && !hasContentOf(node.inode, this.#tree.base, path))
      this.suspects.push({ path, inode: node.inode });
    if (entry.type === "dir") this.directory(node, path);
  }

  #gone(path: BytePath): void {
    this.changes.push({
      entry: { path, type: "whiteout", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n },
      inode: undefined,
    });
  }
}

// BuildKit compares the same things, but takes equal sizes and times with a fraction of a second for equal
// content; here the bytes decide.
export function sameMetadata(a: Entry, b: Entry): boolean {
  if (a.type !== b.type || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.type !== "symlink" && a.mode !== b.mode) return false;
  if ((a.major ?? 0) !== (b.major ?? 0) || (a.minor ?? 0) !== (b.minor ?? 0) || !sameCapability(a, b)) return false;
  return a.type === "dir" || (a.size === b.size && a.mtimeNs === b.mtimeNs && a.link === b.link);
}

function sameCapability(a: Entry, b: Entry): boolean {
  const [x, y] = [a.xattrs?.["security.capability"], b.xattrs?.["security.capability"]];
  if (x === undefined || y === undefined) return x === y;
  return Buffer.compare(x, y) === 0;
}

function hasContentOf(inode: Inode, base: FileTree, path: BytePath): boolean {
  const { content } = inode;
  if (content === undefined || inode.size === 0) return true;
  return content.kind === "tree" && content.tree === base && base.inode(content.path) === base.inode(path);
}

async function differentContent(base: FileTree, suspects: readonly Suspect[], signal: AbortSignal): Promise<Suspect[]> {
  if (suspects.length === 0) return [];
  const below = await base.digests(
    suspects.map(({ path }) => path),
    signal,
  );
  const different: Suspect[] = [];
  for (const [tree, group] of byTree(suspects)) {
    const above =
      tree === undefined
        ? await unpackedDigests(suspects, signal)
        : await tree.digests(
            group.map(({ contentPath }) => contentPath),
            signal,
          );
    for (const { item, contentPath } of group) {
      if (above.get(tree === undefined ? item.path : contentPath) !== below.get(item.path)) different.push(item);
    }
  }
  return different;
}

/** Digests of what came out of archives, by path. */
async function unpackedDigests(suspects: readonly Suspect[], signal: AbortSignal): Promise<Map<BytePath, Digest>> {
  const sources = suspects.flatMap(({ path, inode }): [BytePath, ContentSource][] =>
    inode.content?.kind === "source" ? [[path, inode.content.source]] : [],
  );
  const hashed = await hashSources(new Map(sources), signal);
  return new Map([...hashed].map(([path, { digest }]) => [path, digest]));
}

function byTree<Item extends { readonly inode: Inode | undefined }>(
  items: readonly Item[],
): Map<FileTree | undefined, { item: Item; contentPath: BytePath }[]> {
  const groups = new Map<FileTree | undefined, { item: Item; contentPath: BytePath }[]>();
  for (const item of items) {
    const content = item.inode?.content;
    const tree = content?.kind === "tree" ? content.tree : undefined;
    const contentPath = content?.kind === "tree" ? content.path : "";
    const group = groups.get(tree);
    if (group) group.push({ item, contentPath });
    else groups.set(tree, [{ item, contentPath }]);
  }
  return groups;
}

function withParents(tree: WorkTree, changes: readonly Change[]): Change[] {
  const listed = new Set(changes.flatMap(({ entry }) => (entry.type === "dir" ? [entry.path] : [])));
  const parents: Change[] = [];
  for (const { entry } of changes) {
    for (let slash = entry.path.lastIndexOf("/"); slash > 0; slash = entry.path.lastIndexOf("/", slash - 1)) {
      const path = entry.path.slice(0, slash);
      if (listed.has(path)) break;
      const node = tree.find(path);
      if (node === undefined)
        throw new BuildError("INTERNAL", `"${displayPath(path)}" is above a change and not there`);
      listed.add(path);
      parents.push({ entry: entryOf(node.inode, path), inode: node.inode });
    }
  }
  return [...changes, ...parents];
}

/** The first name of an inode is the file, further ones are links to it. */
function withHardLinks(changes: readonly Change[]): Change[] {
  const first = new Map<Inode, BytePath>();
  return changes.map((change) => {
    const { entry, inode } = change;
    if (inode === undefined || entry.type === "dir") return change;
    const target = first.get(inode);
    if (target !== undefined) return { entry: linkEntry(entry, entry.path, target), inode: undefined };
    first.set(inode, entry.path);
    return change;
  });
}

async function withSources(changes: readonly Change[], signal: AbortSignal): Promise<SourcedEntry[]> {
  const taken = new Map<FileTree, BytePath[]>();
  for (const { entry, inode } of changes) {
    if (entry.type !== "file" || inode?.content?.kind !== "tree") continue;
    const { tree, path } = inode.content;
    const paths = taken.get(tree);
    if (paths === undefined) taken.set(tree, [path]);
    else paths.push(path);
  }
  const known = new Map<FileTree, KnownContent>();
  for (const [tree, paths] of taken) {
    const sources = await tree.sources(paths, signal);
    // A client may write to its files meanwhile: what is taken must be what the key says.
    known.set(tree, { sources, digests: tree.origin === "client" ? await tree.digests(paths, signal) : undefined });
  }
  return changes.map(({ entry, inode }): SourcedEntry => {
    if (entry.type !== "file" || inode === undefined) return { entry };
    const { content } = inode;
    if (content?.kind !== "tree") return { entry, source: content?.source ?? NO_BYTES };
    const { sources, digests } = known.get(content.tree) ?? {};
    const source = sources?.get(content.path);
    if (source === undefined)
      throw new BuildError("INTERNAL", `the content of "${displayPath(content.path)}" is not to be found`);
    const digest = inode.digest ?? digests?.get(content.path);
    return { entry: digest === undefined || entry.digest === digest ? entry : { ...entry, digest }, source };
  });
}

interface KnownContent {
  readonly sources: ReadonlyMap<BytePath, ContentSource>;
  readonly digests: ReadonlyMap<BytePath, Digest> | undefined;
}

const NO_BYTES: ContentSource = { kind: "bytes", bytes: new Uint8Array() };

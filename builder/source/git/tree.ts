// A checkout on disk as the entries of a tree: owned by root, with the modes it would have
// under umask 022, whatever the umask and the user of this process.

import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, compareBytes, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import type { ContentSource, Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { hashSources } from "../../layer/tree/hash-files.ts";
import { RootfsView } from "../../layer/view/view.ts";

export interface ScanOptions {
  /** A `.git` belongs to it; otherwise those of submodules, which point into this machine, are left out. */
  readonly keepsGitDir: boolean;
  /** mtime of everything. */
  readonly mtimeNs?: bigint | undefined;
}

/** The entries of a folder, itself among them, with content digests, parents first. */
export async function scan(directory: string, options: ScanOptions, signal: AbortSignal): Promise<Entry[]> {
  const root = bytePath(directory);
  const top = entryAt(root, "", options.mtimeNs);
  const found: Entry[] = top === undefined ? [] : [{ ...top, mode: 0o755 }];
  const walk = (path: BytePath): void => {
    for (const name of readdirSync(fsPath(joinBytes(root, path)), { encoding: "latin1" }).sort(compareBytes)) {
      if (name === ".git" && !options.keepsGitDir) continue;
      const entry = entryAt(root, joinBytes(path, name), options.mtimeNs);
      if (entry === undefined) continue;
      found.push(entry);
      if (entry.type === "dir") walk(entry.path);
    }
  };
  walk("");
  const files = found.flatMap((entry): [BytePath, ContentSource][] =>
    entry.type === "file" ? [[entry.path, sourceOf(root, entry.path)]] : [],
  );
  const hashed = await hashSources(new Map(files), signal);
  return found.map((entry) => {
    const known = hashed.get(entry.path);
    return known === undefined ? entry : { ...entry, digest: known.digest, size: known.size };
  });
}

/** A folder that does not change, with the entries of an earlier scan. */
export function treeOf(directory: string, entries: readonly Entry[]): FileTree {
  const root = bytePath(directory);
  return new RootfsView([
    { entries, sources: (paths) => Promise.resolve(new Map(paths.map((path) => [path, sourceOf(root, path)]))) },
  ]);
}

function sourceOf(root: BytePath, path: BytePath): ContentSource {
  return { kind: "path", path: joinBytes(root, path) };
}

function entryAt(root: BytePath, path: BytePath, mtimeNs: bigint | undefined): Entry | undefined {
  const place = fsPath(joinBytes(root, path));
  const stat = lstatSync(place, { bigint: true });
  const common = { path, uid: 0, gid: 0, size: 0, mtimeNs: mtimeNs ?? stat.mtimeNs };
  if (stat.isDirectory()) return { ...common, type: "dir", mode: modeOf(stat) };
  if (stat.isSymbolicLink())
    return { ...common, type: "symlink", mode: 0o777, link: readlinkSync(place, { encoding: "latin1" }) };
  return stat.isFile() ? { ...common, type: "file", mode: modeOf(stat), size: Number(stat.size) } : undefined;
}

/** Group and others may do what the owner may, but write. */
function modeOf(stat: BigIntStats): number {
  const owner = Number(stat.mode & 0o700n);
  const others = owner & 0o500;
  return owner | (others >> 3) | (others >> 6);
}

// The entries of whole rootfs trees, as the folder and tar outputs write them.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, joinBytes } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform } from "../core/image/platform.ts";
import type { Entry, SourcedEntry } from "../layer/entry.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { Attestation, StatementFiles } from "./attestations.ts";
import { statementFiles } from "./attestations.ts";

/** A platform's files, and what is stated of them. */
export interface PlatformTree {
  readonly platform: Platform;
  readonly tree: FileTree;
  readonly attestations?: readonly Attestation[];
}

/** Everything below the roots, parents first, then the files of statements; of several names of a file all but the first are hard links. */
export async function mergedEntries(
  trees: readonly PlatformTree[],
  { platformSplit, statements = PLAIN }: { readonly platformSplit: boolean; readonly statements?: StatementFiles },
  signal: AbortSignal,
): Promise<readonly SourcedEntry[]> {
  if (trees.length > 1 && !platformSplit) {
    throw new BuildError("USAGE", "the files of several platforms need a folder each", {
      hint: "leave out platform-split=false",
    });
  }
  const all: SourcedEntry[] = [];
  for (const { platform, tree, attestations = [] } of trees) {
    const prefix = platformSplit ? bytePath(formatPlatform(platform).replaceAll("/", "_")) : "";
    if (prefix !== "") all.push({ entry: folder(prefix) });
    all.push(...(await entriesOf(tree, prefix, signal)));
    for (const { entry, source } of await statementFiles(attestations, tree, statements, signal))
      all.push({ entry: { ...entry, path: joinBytes(prefix, entry.path) }, ...(source && { source }) });
  }
  return all;
}

const PLAIN: StatementFiles = { prefix: "", timeMs: 0 };

async function entriesOf(tree: FileTree, prefix: BytePath, signal: AbortSignal): Promise<SourcedEntry[]> {
  const found: Entry[] = [];
  const firstNames = new Map<string, BytePath>();
  const visit = (directory: BytePath): void => {
    for (const name of tree.list(directory)) {
      const path = joinBytes(directory, name);
      const entry = tree.lstat(path);
      if (entry === undefined) continue;
      const first = entry.type === "file" ? firstNames.get(tree.inode(path)) : undefined;
      if (first !== undefined) {
        const { digest: _content, ...rest } = entry;
        found.push({ ...rest, path, type: "hardlink", size: 0, link: first });
        continue;
      }
      if (entry.type === "file") firstNames.set(tree.inode(path), path);
      found.push({ ...entry, path });
      if (entry.type === "dir") visit(path);
    }
  };
  visit("");
  const files = found.filter(({ type }) => type === "file").map(({ path }) => path);
  const sources = await tree.sources(files, signal);
  return found.map((entry) => {
    const source = sources.get(entry.path);
    const placed = {
      ...entry,
      path: joinBytes(prefix, entry.path),
      ...(entry.type === "hardlink" && entry.link !== undefined ? { link: joinBytes(prefix, entry.link) } : {}),
    };
    return source === undefined ? { entry: placed } : { entry: placed, source };
  });
}

function folder(path: BytePath): Entry {
  return { path, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

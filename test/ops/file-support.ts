// What the tests of the file op share: trees written as lists, actions with defaults, a layer as text.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { bytePath, displayPath, fsPath } from "../../builder/core/bytes/byte-path.ts";
import type { CopyAction, FileAction } from "../../builder/graph/op.ts";
import type { ContentSource, Entry, SourcedEntry } from "../../builder/layer/entry.ts";
import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import { comparePaths } from "../../builder/layer/order.ts";
import type { ViewLayer } from "../../builder/layer/view/view-layer.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { planFileOp } from "../../builder/ops/file/run-file-op.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";

export const never = new AbortController().signal;
export const NOW = 1_700_000_000_000_000_000n;

/** A folder that goes with the test. */
export function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "tsbuild-file-op-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A client's directory: names ending in "/" are directories, "name -> target" symlinks; values are contents. */
export function local(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  excludes: readonly string[] = [],
): LocalTree {
  const root = temporary(t);
  for (const [name, content] of Object.entries(files)) {
    const [path = "", target] = name.split(" -> ");
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (target !== undefined) symlinkSync(target, join(root, path));
    else if (name.endsWith("/")) mkdirSync(join(root, path), { recursive: true });
    else writeFileSync(join(root, path), content);
  }
  return new LocalTree(bytePath(root), { excludes, ignoreFile: { name: ".dockerignore" } });
}

/** One entry of an image's layer; what is left out is root's, 0755 or 0644, from the epoch. */
export interface Item extends Partial<Omit<Entry, "path" | "size">> {
  readonly content?: string;
}

/** A rootfs of one layer, written like `local`; values say more about an entry. */
export function image(items: Readonly<Record<string, Item | string>>): RootfsView {
  const sourced = Object.entries(items).map(([name, value]): SourcedEntry => {
    const item: Item = typeof value === "string" ? { content: value } : value;
    const { content, ...fields } = item;
    const [path = "", target] = name.split(" -> ");
    const type = fields.type ?? (target !== undefined ? "symlink" : name.endsWith("/") ? "dir" : "file");
    const bytes = Buffer.from(content ?? "");
    const entry: Entry = {
      mode: type === "dir" ? 0o755 : type === "symlink" ? 0o777 : 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 0n,
      ...(target === undefined ? {} : { link: target }),
      ...fields,
      type,
      path: bytePath(path.replace(/\/$/, "")),
      size: bytes.length,
    };
    return type === "file" ? { entry, source: { kind: "bytes", bytes } } : { entry };
  });
  return new RootfsView([layerOf(sourced.sort((a, b) => comparePaths(a.entry.path, b.entry.path)))]);
}

/** A planned layer as a layer of a view. */
export function layerOf(entries: readonly SourcedEntry[]): ViewLayer {
  const all = new Map(
    entries.flatMap(({ entry, source }): [string, ContentSource][] => (source ? [[entry.path, source]] : [])),
  );
  return {
    entries: entries.map(({ entry }) => entry),
    sources: (paths) =>
      Promise.resolve(new Map(paths.flatMap((path): [string, ContentSource][] => withKey(path, all.get(path))))),
  };
}

function withKey(path: string, source: ContentSource | undefined): [string, ContentSource][] {
  return source === undefined ? [] : [[path, source]];
}

/** COPY as a Dockerfile has it, from input 1 unless said otherwise. */
export function copy(source: string, destination: string, fields: Partial<CopyAction> = {}): CopyAction {
  return {
    action: "copy",
    from: 1,
    source,
    destination,
    allowWildcard: true,
    allowEmptyWildcard: true,
    followSymlinks: true,
    dirContentsOnly: true,
    unpack: false,
    parents: false,
    excludes: [],
    createDestinationPath: true,
    alwaysReplace: false,
    resetOwner: false,
    ...fields,
  };
}

/** The layer that actions make on a destination. */
export async function plan(
  t: TestContext,
  destination: FileTree,
  source: FileTree,
  ...actions: FileAction[]
): Promise<readonly SourcedEntry[]> {
  const options = { nowNs: NOW, scratchDirectory: join(temporary(t), "scratch"), signal: never };
  return (await planFileOp({ kind: "file", destination: 0, actions }, [destination, source], options)).entries;
}

/** The layer as lines: "path type mode owner content-or-target". */
export async function planned(
  t: TestContext,
  destination: FileTree,
  source: FileTree,
  ...actions: FileAction[]
): Promise<string[]> {
  return (await plan(t, destination, source, ...actions)).map(lineOf);
}

export function lineOf({ entry, source }: SourcedEntry): string {
  const path = displayPath(entry.path);
  if (entry.type === "whiteout") return `${path} whiteout`;
  if (entry.type === "hardlink") return `${path} hardlink ${displayPath(entry.link ?? "")}`;
  const owner = `${entry.uid}:${entry.gid}`;
  const mode = entry.mode.toString(8).padStart(4, "0");
  if (entry.type === "symlink") return `${path} symlink ${owner} ${displayPath(entry.link ?? "")}`;
  return [path, entry.type, mode, owner, ...(source === undefined ? [] : [textOf(source)])].join(" ");
}

function textOf(source: ContentSource): string {
  return (source.kind === "bytes" ? Buffer.from(source.bytes) : readFileSync(fsPath(source.path))).toString();
}

// A file op becomes a layer: its actions run one after the other on a tree in memory, and
// what they changed is the layer. No privilege is needed, and no bytes are copied here.

import { bytePath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { CopyAction, FileAction, FileOp } from "../../graph/op.ts";
import type { SourcedEntry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { RootfsView } from "../../layer/view/view.ts";
import type { Owner } from "../passwd.ts";
import { resolveOwner } from "../passwd.ts";
import { makeDirectory, makeFile, makeSymlink, remove } from "./actions.ts";
import { changesOf } from "./changes.ts";
import { copyMetadata, place } from "./place.ts";
import type { SelectedSource } from "./select.ts";
import { select } from "./select.ts";
import { ScratchFiles, unpackArchive } from "./unpack.ts";
import { WorkTree } from "./work-tree.ts";

export interface FileOpOptions {
  /** The build's time: mtime of what the op itself makes, unless the op says another. */
  readonly nowNs: bigint;
  /** Made for the files of unpacked archives, where there are any; must live until the entries' bytes were read. */
  readonly scratchDirectory: string;
  readonly signal: AbortSignal;
}

export interface FileOpPlan {
  /** The layer, sorted: changes, whiteouts, and the directories above them (never the root). */
  readonly entries: readonly SourcedEntry[];
  /** Whether no source can change any more, so that they may be hard-linked. */
  readonly immutableSources: boolean;
}

/** Computes the layer of a file op. `trees` are the vertex's inputs. */
export async function planFileOp(op: FileOp, trees: readonly FileTree[], options: FileOpOptions): Promise<FileOpPlan> {
  const base = op.destination < 0 ? new RootfsView([]) : treeOf(trees, op.destination);
  const nowNs = op.createdTimeNs === undefined ? options.nowNs : BigInt(op.createdTimeNs);
  const tree = new WorkTree(base, nowNs);
  const scratch = new ScratchFiles(options.scratchDirectory);
  const used = new Set<FileTree>();
  for (const action of op.actions) {
    options.signal.throwIfAborted();
    const owner = await ownerOf(action, base, options.signal);
    const ownTime = action.action === "rm" || action.action === "copy" ? undefined : action.timeNs;
    tree.nowNs = ownTime === undefined ? nowNs : BigInt(ownTime);
    switch (action.action) {
      case "copy": {
        const source = treeOf(trees, action.from);
        used.add(source);
        await copy(tree, source, action, owner, scratch, options.signal);
        break;
      }
      case "mkfile":
        makeFile(tree, action, owner);
        break;
      case "mkdir":
        makeDirectory(tree, action, owner);
        break;
      case "rm":
        remove(tree, action);
        break;
      case "symlink":
        makeSymlink(tree, action, owner);
        break;
    }
  }
  const entries = await changesOf(tree, options.signal);
  return { entries, immutableSources: [...used].every((source) => source.immutable) };
}

async function copy(
  tree: WorkTree,
  source: FileTree,
  action: CopyAction,
  owner: Owner | undefined,
  scratch: ScratchFiles,
  signal: AbortSignal,
): Promise<void> {
  const metadata = copyMetadata(action, owner);
  for (const selected of select(action, source)) {
    if (action.unpack && (await unpack(tree, source, selected, action, { owner, scratch, signal }))) continue;
    place(tree, source, [selected], action, metadata);
  }
}

async function unpack(
  tree: WorkTree,
  source: FileTree,
  selected: SelectedSource,
  action: CopyAction,
  options: { owner: Owner | undefined; scratch: ScratchFiles; signal: AbortSignal },
): Promise<boolean> {
  const [top] = selected.items;
  if (top?.entry.type !== "file" || top.entry.size === 0) return false;
  const content = (await source.sources([top.path], options.signal)).get(top.path);
  return content !== undefined && (await unpackArchive(tree, content, bytePath(action.destination), options));
}

/** Names are looked up in the destination as it was before the op. */
async function ownerOf(action: FileAction, base: FileTree, signal: AbortSignal): Promise<Owner | undefined> {
  if (action.action === "rm" || action.owner === undefined) return undefined;
  return await resolveOwner(base, action.owner, signal);
}

function treeOf(trees: readonly FileTree[], input: number): FileTree {
  const tree = trees[input];
  if (tree === undefined) throw new BuildError("INTERNAL", `a file op names input ${input}, which is not there`);
  return tree;
}

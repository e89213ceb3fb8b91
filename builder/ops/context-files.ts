// What a build takes of a client's folder, read in one go: the digests that the keys of
// all copies need, before anybody waits for the first. People see it as the transfer of the context.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { joinBytes } from "../core/bytes/byte-path.ts";
import type { Op } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import { topological } from "../graph/vertex.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import { select } from "./file/select.ts";
import type { Facts } from "./engine-parts.ts";
import type { Fact } from "./keys.ts";
import { cleaned, startsOf, stateFact } from "./keys.ts";

/** An op that takes something of an input. */
export interface Reader {
  readonly op: Op;
  readonly input: number;
}

/** The readers of every vertex, by its digest. */
export function readersOf(targets: readonly Vertex[]): ReadonlyMap<string, readonly Reader[]> {
  const readers = new Map<string, Reader[]>();
  for (const { op, inputs } of topological(targets)) {
    for (const [input, { digest }] of inputs.entries()) {
      const known = readers.get(digest);
      if (known === undefined) readers.set(digest, [{ op, input }]);
      else known.push({ op, input });
    }
  }
  return readers;
}

/** How many bytes some readers take of a tree, known if an earlier build read them all and the tree is as it was: then nothing need be read. */
export function takenBytes(tree: FileTree, readers: readonly Reader[], facts: Facts): Fact | undefined {
  const taken = readers.map(({ op, input }) => (isBuiltUponBy(op, input) ? [""] : startsOf(op, input)));
  const paths = taken.every((part) => part !== undefined) ? taken.flat() : undefined;
  return paths && stateFact(facts, tree, ["taken", readers], paths);
}

function isBuiltUponBy(op: Op, input: number): boolean {
  return op.kind === "file" ? op.destination === input : op.kind !== "exec" || op.rootInput === input;
}

/**
 * Digests the files that some readers take, in pieces; `progress` is told of the bytes done. What cannot be found or
 * read is left to its reader, who says which instruction wanted it. Gives the bytes of all of them if nothing is missing.
 */
export async function readTakenFiles(
  tree: FileTree,
  readers: readonly Reader[],
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<number | undefined> {
  const taken = new Map<BytePath, number>();
  try {
    for (const reader of readers) addTaken(tree, reader, taken);
    let piece: BytePath[] = [];
    let [pieceBytes, bytes] = [0, 0];
    const read = async (): Promise<void> => {
      await tree.digests(piece, signal);
      bytes += pieceBytes;
      [piece, pieceBytes] = [[], 0];
      progress(bytes);
    };
    for (const [path, size] of taken) {
      piece.push(path);
      pieceBytes += size;
      if (piece.length === PIECE_FILES || pieceBytes > PIECE_BYTES) await read();
    }
    await read();
    return bytes;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

const PIECE_FILES = 5000;
const PIECE_BYTES = 32 << 20;

function addTaken(tree: FileTree, { op, input }: Reader, taken: Map<BytePath, number>): void {
  if (isBuiltUponBy(op, input)) addBelow(tree, "", taken);
  if (op.kind === "file") {
    for (const action of op.actions) {
      if (action.action !== "copy" || action.from !== input) continue;
      for (const { items } of select(action, tree))
        for (const { path, entry } of items) if (entry.type === "file") taken.set(path, entry.size);
    }
  }
  if (op.kind === "exec") {
    for (const mount of op.mounts)
      if ((mount.type === "bind" || mount.type === "cache") && mount.input === input)
        addBelow(tree, cleaned(mount.selector), taken);
  }
}

function addBelow(tree: FileTree, start: BytePath, taken: Map<BytePath, number>): void {
  const visit = (path: BytePath): void => {
    const entry = tree.lstat(path);
    if (entry?.type === "file") taken.set(path, entry.size);
    if (entry?.type === "dir") for (const name of tree.list(path)) visit(joinBytes(path, name));
  };
  const { path, entry } = resolvePath(tree, start, { followLast: true });
  if (entry !== undefined) visit(path);
}

// Applying: a compressed layer becomes its index and, if one is wanted, a directory. Both
// and the diffID come out of one pass over the bytes.

import { linkSync, mkdirSync, renameSync } from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, fsPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import { Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { noteEnd, notePassed } from "../core/bytes/passed-bytes.ts";
import { ArchiveReader } from "./tar/archive-reader.ts";
import type { ArchiveRules } from "./tar/archive-reader.ts";
import { decompress } from "./compression/decompress.ts";
import type { ByteSource } from "./compression/decompress.ts";
import type { SourcedEntry } from "./entry.ts";
import { decodeIndex } from "./index-file.ts";
import type { AppliedLayer, ApplyRequest, UnpackRequest, WithEntries } from "./jobs/jobs.ts";
import type { TreeNode } from "./tar/layer-tree.ts";
import { NoStore, OverlayStore, PlainStore } from "./tar/member-store.ts";
import type { MemberStore } from "./tar/member-store.ts";
import { readChunks } from "./tree/read-chunks.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import { TarReader } from "./tar/tar-reader.ts";
import type { UnpackLimits } from "./unpack-limits.ts";
import { DEFAULT_LIMITS, UnpackGuard } from "./unpack-limits.ts";

/** Does `LayerJobs.apply`. `check` throws when the job is to stop. */
export async function apply(request: ApplyRequest, check: () => void): Promise<WithEntries<AppliedLayer>> {
  return await applyFrom(() => readChunks(request.blobFile), request, check);
}

/** The same for a blob from anywhere: each call of `open` starts over, and a second one may be needed (see `applyOnly`). */
export async function applyFrom(
  open: () => ByteSource,
  request: Omit<ApplyRequest, "blobFile" | "compression">,
  check: () => void,
): Promise<WithEntries<AppliedLayer>> {
  const { directory, only, overlayXattrs, lowers = [] } = request;
  if (directory === undefined) return resultOf(await read(open(), request, new NoStore(), check));
  if (only !== undefined) return await applyOnly(open, request, directory, only, check);
  return resultOf(await read(open(), request, new OverlayStore(directory, overlayXattrs, lowers), check));
}

type Limits = Pick<ApplyRequest, "diffId" | "limits" | "index">;

/** Does `LayerJobs.unpack`. */
export async function unpack(request: UnpackRequest, check: () => void): Promise<SourcedEntry[]> {
  const store = new PlainStore(bytePath(request.directory), () => true);
  const rules = { kind: "archive" } as const;
  const { reader } = await readArchive(readChunks(request.archiveFile), rules, request.limits, store, check);
  const entries = reader.tree.entries();
  const members = membersByPath(reader.tree.root);
  return entries.map((entry) => {
    const member = members.get(entry.path);
    if (entry.type !== "file" || member === undefined) return { entry };
    return { entry, source: { kind: "path", path: store.placeOf(member) } };
  });
}

interface ReadResult {
  readonly reader: ArchiveReader;
  readonly digester: Digester;
}

async function read(
  blob: ByteSource,
  request: Limits,
  store: MemberStore,
  check: () => void,
): Promise<ReadResult & { diffId: AppliedLayer["diffId"] }> {
  const rules = { kind: "layer", times: request.index && timesOf(request.index) } as const;
  const result = await readArchive(blob, rules, request.limits, store, check);
  const diffId = result.digester.digest();
  if (request.diffId !== undefined && request.diffId !== diffId) {
    store.abandon();
    throw new BuildError(
      "ARCHIVE_INVALID",
      `a layer is not what its image says: ${request.diffId} expected, ${diffId} found`,
    );
  }
  return { ...result, diffId };
}

/** A damaged index says nothing. */
function timesOf(index: Uint8Array): ArchiveRules["times"] {
  return new Map(decodeIndex(index)?.map(({ path, mtimeNs }) => [path, mtimeNs]));
}

async function readArchive(
  source: ByteSource,
  rules: Pick<ArchiveRules, "kind" | "times">,
  limits: UnpackLimits = DEFAULT_LIMITS,
  store: MemberStore,
  check: () => void,
): Promise<ReadResult> {
  const reader = new ArchiveReader({ ...rules, maxContentBytes: limits.maxBytes }, store);
  const guard = new UnpackGuard(limits);
  const tar = new TarReader(reader);
  const digester = new Digester();
  try {
    for await (const chunk of decompress(guard.packed(source), rules.kind)) {
      check();
      guard.unpacked(chunk.length);
      notePassed(chunk.length);
      digester.update(chunk);
      tar.push(chunk);
    }
    tar.end();
    reader.finish();
    noteEnd();
    return { reader, digester };
  } catch (error) {
    reader.abandon();
    throw error;
  }
}

/** Writes the wanted paths as plain files. A path may be another name of a file that comes under a name nobody asked for: then the archive is read twice. */
async function applyOnly(
  open: () => ByteSource,
  request: Limits,
  directory: string,
  only: readonly BytePath[],
  check: () => void,
): Promise<WithEntries<AppliedLayer>> {
  const target = bytePath(directory);
  const store = (isWanted: (path: BytePath, member: number) => boolean): PlainStore =>
    new PlainStore(`${target}.members`, isWanted);
  const wanted = new Set(only);
  let members = store((path) => wanted.has(path));
  let result = await read(open(), request, members, check);
  try {
    const places = new Map([...membersByPath(result.reader.tree.root)].filter(([path]) => wanted.has(path)));
    const numbers = new Set(places.values());
    if (![...numbers].every((member) => members.has(member))) {
      members.abandon();
      members = store((_path, member) => numbers.has(member));
      result = await read(open(), request, members, check);
    }
    arrange(places, members, target);
    return resultOf(result);
  } catch (error) {
    removeTree(target);
    throw error;
  } finally {
    members.abandon();
  }
}

function arrange(places: ReadonlyMap<BytePath, number>, members: PlainStore, directory: BytePath): void {
  mkdirSync(fsPath(directory), { recursive: true, mode: 0o700 });
  const placed = new Map<number, BytePath>();
  for (const [path, member] of places) {
    const target = joinBytes(directory, path);
    mkdirSync(fsPath(parentOf(target)), { recursive: true, mode: 0o700 });
    const first = placed.get(member);
    if (first === undefined) renameSync(fsPath(members.placeOf(member)), fsPath(target));
    else linkSync(fsPath(first), fsPath(target));
    placed.set(member, target);
  }
}

function resultOf(result: ReadResult & { diffId: AppliedLayer["diffId"] }): WithEntries<AppliedLayer> {
  const { tree } = result.reader;
  const implied = tree.directories().filter(({ inode, path }) => inode === undefined && path !== "");
  return {
    diffId: result.diffId,
    uncompressedSize: result.digester.sizeBytes,
    entries: tree.entries(),
    impliedDirectories: implied.map(({ path }) => path).sort(),
  };
}

/** Every name of every regular file, with the member that has its content. */
function membersByPath(root: TreeNode): Map<BytePath, number> {
  const members = new Map<BytePath, number>();
  const collect = (node: TreeNode): void => {
    if (node.inode?.entry.type === "file") members.set(node.path, node.inode.member);
    for (const child of node.children?.values() ?? []) collect(child);
  };
  collect(root);
  return members;
}

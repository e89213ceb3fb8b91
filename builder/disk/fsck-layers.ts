// Layers: whether they say what they are, and have their bytes; and the records that name them.

import { existsSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pruneResultsOf } from "../cache/pruned.ts";
import type { BytePath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import { digestOfFile } from "../core/system/file-digest.ts";
import type { Entry } from "../layer/entry.ts";
import { decodeIndex } from "../layer/index-file.ts";
import { parseMeta } from "../snapshot/layer-files.ts";
import type { Checking } from "./fsck.ts";
import { readResults } from "./layer-facts.ts";
import { listFolder, statIfThere } from "./tree-size.ts";

/** A layer that is damaged goes with the records that name it. */
export async function checkLayers(checking: Checking): Promise<void> {
  const { root, database, found } = checking;
  const folder = join(root, "tsbuild/layers");
  for (const id of listFolder(folder)) {
    const path = join(folder, id);
    // Found in the middle of a change that another process made it is not found again.
    const fault = (await faultOf(checking, id)) && (await faultOf(checking, id));
    if (fault === undefined) continue;
    if (fault.isOfIndex) {
      await found("layer", `the layer ${id} ${fault.why}`, "the index is made again from its blob", () => {
        rmSync(join(path, "index"), { force: true });
        return true;
      });
      continue;
    }
    await found("layer", `the layer ${id} ${fault.why}`, "removed; its step runs again", () =>
      checking.remove(`layer/${id}`, path, () => pruneResultsOf(database, id, Date.now())),
    );
  }
}

/** Records that cannot be read, or name layers that are not there, are misses already; they go. */
export async function checkResults(checking: Checking): Promise<void> {
  const { database, found } = checking;
  const drop = database.prepare("DELETE FROM results WHERE key = ?");
  const faults = faultsOfResults(checking);
  const still = faults.size === 0 ? faults : faultsOfResults(checking);
  for (const [key, what] of faults)
    if (still.get(key) === what) await found("record", what, "removed", () => drop.run(key).changes === 1);
}

/** What is wrong with records, by their keys. */
function faultsOfResults({ root, database }: Checking): Map<string, string> {
  const faults = new Map<string, string>();
  for (const { key, name, layers } of readResults(database)) {
    const missing = layers?.find((id) => !existsSync(join(root, "tsbuild/layers", id, "meta.json")));
    if (layers !== undefined && missing === undefined) continue;
    const why = layers === undefined ? "is damaged" : `names the layer ${missing}, which is not there`;
    faults.set(key, `the cache record of ${name} ${why}`);
  }
  return faults;
}

interface LayerFault {
  readonly why: string;
  /** Only its list of entries is damaged, and there is a blob to make it from. */
  readonly isOfIndex?: true;
}

async function faultOf({ root, isInUse, full, signal }: Checking, id: string): Promise<LayerFault | undefined> {
  const path = join(root, "tsbuild/layers", id);
  const text = readIfThere(join(path, "meta.json"))?.toString("utf8");
  if (text === undefined)
    return isInUse(`layer/${id}`) || !existsSync(path) ? undefined : { why: "was never finished" };
  const meta = parseMeta(text);
  if (meta === undefined) return { why: "has a damaged meta.json" };
  const hasDirectory = existsSync(join(path, "fs"));
  const hasBlob = meta.variants.some(({ descriptor }) => {
    const blob = statIfThere(join(root, "blobs/sha256", hexOf(descriptor.digest)));
    return blob?.size === descriptor.size;
  });
  const index = readIfThere(join(path, "index"));
  // A layer of a base image is fetched when it is needed, and so is one of a cache elsewhere: before that it has no index.
  const mayComeYet = meta.origin === "image" || (meta.ofCache === true && index === undefined && !hasDirectory);
  if (!hasDirectory && !hasBlob && !mayComeYet) return { why: "has lost its bytes" };
  if (index === undefined) {
    return !mayComeYet && !hasBlob ? { why: "has lost the list of its entries" } : undefined;
  }
  const entries = decodeIndex(index);
  if (entries === undefined) {
    return { why: "has a damaged list of entries", ...(hasBlob ? { isOfIndex: true } : {}) };
  }
  if (!hasDirectory) return undefined;
  for (const entry of entries) {
    const why = await differenceOf(path, entry, full ? signal : undefined);
    if (why !== undefined) return { why: `${why} ${JSON.stringify(entry.path)}` };
  }
  return undefined;
}

/**
 * How what lies in a layer's directory differs from its entry, with a signal by its bytes, too, where these have a digest:
 * what a step wrote has one once something was made of it.
 */
async function differenceOf(
  layer: string,
  { type, path, size, mode, uid, gid, link, digest }: Entry,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  // The root is the file system's (snapshot/root-directory.ts); what only hides or links is looked at by whoever mounts it.
  if (path === "" || (type !== "file" && type !== "dir" && type !== "symlink")) return undefined;
  const place = bytePathOf(layer, path);
  const stats = statIfThere(place);
  if (type === "file" && (stats?.isFile() !== true || stats.size !== size)) return "lacks the bytes of";
  if (type === "dir" && stats?.isDirectory() !== true) return "lacks the folder";
  if (type === "symlink")
    return stats?.isSymbolicLink() === true && readlinkSync(place, "latin1") === link ? undefined : "lacks the link";
  if ((stats?.mode ?? 0) % 0o10000 !== mode) return "has another mode on";
  // To an ordinary user outside its namespace the ids are others.
  if (process.geteuid?.() === 0 && (stats?.uid !== uid || stats.gid !== gid)) return "has another owner on";
  if (type === "dir" || digest === undefined || signal === undefined) return undefined;
  return (await digestAt(place, size, signal)) === digest ? undefined : "has other bytes in";
}

/** Undefined for what is gone meanwhile. Most files are small, and read at once. */
async function digestAt(place: Buffer, size: number, signal: AbortSignal): Promise<Digest | undefined> {
  try {
    signal.throwIfAborted();
    return size < AT_ONCE_BYTES ? digestOf(readFileSync(place)) : (await digestOfFile(place, signal)).digest;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

const AT_ONCE_BYTES = 1 << 20;

function bytePathOf(layer: string, path: BytePath): Buffer {
  return Buffer.from(`${Buffer.from(layer).toString("latin1")}/fs/${path}`, "latin1");
}

function readIfThere(path: string): Buffer | undefined {
  return statIfThere(path)?.isFile() === true ? readFileSync(path) : undefined;
}

// Layers: whether they say what they are, and have their bytes; and the records that name them.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pruneResultsOf } from "../cache/pruned.ts";
import { hexOf } from "../core/digest.ts";
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
    const fault = faultOf(checking, id) && faultOf(checking, id);
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

function faultOf({ root, isInUse }: Checking, id: string): LayerFault | undefined {
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
  // A base image's layer is fetched when it is needed.
  if (!hasDirectory && !hasBlob && meta.origin === "built") return { why: "has lost its bytes" };
  const index = readIfThere(join(path, "index"));
  if (index === undefined) {
    return meta.origin === "built" && !hasBlob ? { why: "has lost the list of its entries" } : undefined;
  }
  const entries = decodeIndex(index);
  if (entries === undefined) {
    return { why: "has a damaged list of entries", ...(hasBlob ? { isOfIndex: true } : {}) };
  }
  const lost = hasDirectory ? entries.find((entry) => !isThere(path, entry)) : undefined;
  return lost === undefined ? undefined : { why: `lacks the bytes of ${JSON.stringify(lost.path)}` };
}

function isThere(path: string, { type, path: name, size }: Entry): boolean {
  if (type !== "file") return true;
  const stats = statIfThere(Buffer.from(`${Buffer.from(path).toString("latin1")}/fs/${name}`, "latin1"));
  return stats?.isFile() === true && stats.size === size;
}

function readIfThere(path: string): Buffer | undefined {
  return statIfThere(path)?.isFile() === true ? readFileSync(path) : undefined;
}

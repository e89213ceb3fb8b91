// Blobs, looked at by their bytes.

import { join } from "node:path";
import { hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import { digestOfFile } from "../core/system/file-digest.ts";
import type { Checking } from "./fsck.ts";
import { listFolder, statIfThere } from "./tree-size.ts";

/** Whether every file of a folder has the digest that is its name. */
export async function checkBlobs(checking: Checking, folder: string, kind: "blob" | "http"): Promise<void> {
  for (const name of listFolder(folder)) {
    const path = join(folder, name);
    const why = await faultOf(checking, path, name);
    if (why === undefined) continue;
    await checking.found("blob", `blob sha256:${name} is damaged: ${why}`, "removed; it is fetched or made again", () =>
      checking.remove(`${kind}/${name}`, path),
    );
  }
}

async function faultOf({ full, signal }: Checking, path: string, name: string): Promise<string | undefined> {
  const stats = statIfThere(path);
  if (stats === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/.test(name)) return "its name is no digest";
  if (!stats.isFile()) return "it is no file";
  if (!full) return stats.size === 0 && name !== EMPTY ? "it is empty" : undefined;
  try {
    const { digest } = await digestOfFile(path, signal);
    return hexOf(digest) === name ? undefined : `its ${stats.size} bytes have ${digest}`;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined; // gone meanwhile
    throw error;
  }
}

/** The digest of nothing. */
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

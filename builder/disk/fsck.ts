// Looks for damage in a store, without trusting anything in it, and mends what it finds: what is damaged goes, and is made
// or fetched again by whoever needs it. Nothing that a running process uses is touched, and what running processes make and
// take away meanwhile is no damage.

import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import { isErrno } from "../core/errors.ts";
import { removeAny } from "../core/system/remove-tree.ts";
import type { ItemName } from "../core/space.ts";
import { sweepTemporary, temporaryPath } from "../store/temporary.ts";
import { checkBlobs } from "./fsck-blobs.ts";
import { checkImages } from "./fsck-images.ts";
import { checkLayers, checkResults } from "./fsck-layers.ts";
import type { StoreParts } from "./inventory.ts";
import { listFolder } from "./tree-size.ts";

/** One thing that is wrong. */
export interface Fault {
  /** Of what kind; for programs. */
  readonly kind: "blob" | "image" | "layer" | "record" | "build record" | "temporary" | "account";
  /** As a sentence. */
  readonly what: string;
  /** What was done about it, or would be. */
  readonly mend: string;
  readonly isMended: boolean;
}

export interface FsckOptions extends StoreParts {
  /** Mends; else it is only said what would be done. */
  readonly repair: boolean;
  /** Reads every blob; else only what they are called and how long they are is looked at. */
  readonly full: boolean;
  readonly signal: AbortSignal;
}

/** What the checks of one run share. */
export interface Checking extends FsckOptions {
  /** Notes a fault; `mend` is called when it is to be mended, and says whether it could. */
  found: (kind: Fault["kind"], what: string, mend: string, act: () => boolean | Promise<boolean>) => Promise<void>;
  /** Whether a running process uses an item: it may be making it. */
  isInUse: (item: ItemName) => boolean;
  /** Takes the file or folder of an item away, after what names it, unless a running process uses it. */
  remove: (item: ItemName, path: string, forget?: () => void) => boolean;
}

/** Checks a store from the bytes up. Faults are in the order in which they were found. */
export async function checkStore(options: FsckOptions): Promise<Fault[]> {
  const { root, ledger, repair } = options;
  const own = join(root, "tsbuild");
  const faults: Fault[] = [];
  const floor = ledger.floor();
  const checking: Checking = {
    ...options,
    async found(kind, what, mend, act) {
      options.signal.throwIfAborted();
      faults.push({ kind, what, mend, isMended: repair && (await act()) });
    },
    isInUse: (item) => ledger.isInUse([item], floor),
    remove: (item, path, forget) =>
      ledger.removeUnlessHeld([item], floor, { forget, remove: () => moveAway(path, join(own, "work")) }),
  };
  await checkBlobs(checking, join(root, "blobs/sha256"), "blob");
  await checkBlobs(checking, join(own, "http/blobs/sha256"), "http");
  await checkImages(checking);
  await checkLayers(checking);
  await checkResults(checking);
  await checkJson(checking, "notes", /^[0-9a-f]{64}$/);
  await checkJson(checking, "http/urls", /\.json$/);
  await checkJson(checking, "builds", /\.(?:json|kept)$/);
  await checkTemporaries(checking);
  return faults;
}

/** Small files of which each is whole JSON, or of no use. */
async function checkJson({ root, found }: Checking, folder: string, names: RegExp): Promise<void> {
  for (const name of listFolder(join(root, "tsbuild", folder))) {
    const path = join(root, "tsbuild", folder, name);
    if (!names.test(name) || isJson(path)) continue;
    await found("build record", `"${path}" is damaged`, "removed", () => {
      rmSync(path, { force: true });
      return true;
    });
  }
}

/** What dead processes left. The next build would take it away, too. */
async function checkTemporaries({ root, found }: Checking): Promise<void> {
  for (const folder of ["tmp", "work"]) {
    const path = join(root, "tsbuild", folder);
    const dead: string[] = [];
    // Told of each before it goes: here it stays, and is only counted.
    sweepTemporary(path, (each) => void dead.push(each), "keep");
    for (const each of dead) {
      await found("temporary", `"${each}" was left by a process that has ended`, "removed", () => {
        removeAny(bytePath(each));
        return true;
      });
    }
  }
}

/** What is gone meanwhile is not damaged. */
function isJson(path: string): boolean {
  try {
    JSON.parse(readFileSync(path, "utf8"));
    return true;
  } catch (error) {
    return isErrno(error, "ENOENT");
  }
}

/** Out of the way in a moment, then for good. */
function moveAway(path: string, work: string): void {
  const aside = temporaryPath(work, "fsck");
  renameSync(path, aside);
  removeAny(bytePath(aside));
}

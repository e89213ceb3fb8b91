// Opens the store: a valid image layout with one folder of our own in it.

import { statfsSync } from "node:fs";
import { readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StoreSpace } from "../core/space.ts";
import { DiskBlobs } from "./blobs.ts";
import { explain, explained, isIndexWhole, layoutVersion, mendLayout, prepareLayout } from "./layout.ts";
import { refuseNetwork } from "./network-disk.ts";
import { IndexNames, type NamedEntry } from "./names.ts";
import { DiskNotes } from "./notes.ts";
import type { BlobNotes, BlobStore, ImageNames } from "./store.ts";
import { sweepOld, sweepTemporary, temporaryPath } from "./temporary.ts";
import { makeDirectories } from "./directories.ts";

/**
 * Makes the store's folders where they are not there, and a list of images where that is damaged: then it says so, as a
 * sentence. Throws `STORE`, also where the file system is no place for a store.
 */
export async function prepareStore(root: string): Promise<string | undefined> {
  const own = join(root, "tsbuild");
  try {
    await prepareLayout(root, own, "STORE");
  } catch (error) {
    if (!(await mendLayout(root, own))) throw error;
    await prepareLayout(root, own, "STORE");
  }
  refuseNetwork(root, statfsSync(root).type);
  return await explained(root, "STORE", async () => {
    if (isIndexWhole(root)) return undefined;
    const { mendIndex } = await import("./mend-index.ts");
    return await mendIndex(root, own);
  });
}

/**
 * The store below `root` (absolute), made when it is not there; swept of what dead processes left. `space` keeps count of
 * it where more is done than to read what has a name. Throws `STORE`.
 */
export async function openStore(
  root: string,
  space?: StoreSpace,
): Promise<BlobStore & { readonly names: ImageNames; readonly notes: BlobNotes }> {
  const own = join(root, "tsbuild");
  await prepareStore(root);
  const [temporary, partial] = [join(own, "tmp"), join(own, "partial")];
  await explained(root, "STORE", async () => {
    await makeDirectories(temporary);
    sweepTemporary(temporary);
    await sweepOld(partial);
  });
  const names = new IndexNames(root, temporary);
  const notes = new DiskNotes(join(own, "notes"), temporary);
  return Object.assign(new DiskBlobs(root, temporary, "STORE", { partial, ...(space && { space }) }), { names, notes });
}

/** Another image layout on disk, open for additions. Disposing it takes away what is not needed: temporary files, and a layout that was made here and got no blob. */
export interface OpenLayout extends AsyncDisposable {
  /** What is there. */
  readonly blobs: BlobStore;
  /** Takes the blobs that are to be there; nobody sees them before `commit`. */
  readonly added: BlobStore;
  /** Moves all of `added` to its place, which needs no space, and lists the entries in the index. All of it or nothing. */
  commit(entries: readonly NamedEntry[]): Promise<void>;
}

/** Opens or makes the layout in `path`. What is in it stays. Throws `OUTPUT`; then nothing was made. */
export async function openLayoutForWriting(path: string): Promise<OpenLayout> {
  const own = join(path, ".tsbuild");
  await using undo = new AsyncDisposableStack();
  const version = await explained(path, "OUTPUT", () => layoutVersion(path, "OUTPUT"));
  if (version === undefined) {
    const first = await explained(path, "OUTPUT", () => makeDirectories(path));
    undo.defer(() => removeUnused(path, first));
  }
  await prepareLayout(path, own, "OUTPUT");
  // Stays while another process has something in it.
  undo.defer(() => rmdir(own).catch(() => undefined));
  sweepTemporary(own);
  const temporary = temporaryPath(own, "export");
  undo.defer(() => rm(temporary, { recursive: true, force: true }));
  const added = join(temporary, "added");
  await explained(path, "OUTPUT", () => makeDirectories(added));
  const opened = undo.move();
  return {
    blobs: new DiskBlobs(path, temporary, "OUTPUT"),
    added: new DiskBlobs(path, temporary, "OUTPUT", { directory: added }),
    commit: async (entries) => {
      const moved: string[] = [];
      try {
        for (const name of await readdir(added)) {
          const place = join(path, "blobs/sha256", name);
          await rename(join(added, name), place);
          moved.push(place);
        }
        await new IndexNames(path, temporary, "OUTPUT").set(entries);
      } catch (error) {
        for (const place of moved) await rm(place, { force: true });
        throw explain(path, "OUTPUT", error);
      }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Takes a layout without blobs away, and the folders that were made for it, the topmost of which is `first`. */
async function removeUnused(path: string, first: string | undefined): Promise<void> {
  const blobs: readonly string[] = await readdir(join(path, "blobs/sha256")).catch(() => []);
  if (blobs.length > 0) return;
  await rmdir(join(path, ".tsbuild")).catch(() => undefined);
  // Another process has something in it.
  if (await exists(join(path, ".tsbuild"))) return;
  for (const name of ["oci-layout", "index.json", "blobs"])
    await rm(join(path, name), { recursive: true, force: true });
  for (let at = path; first !== undefined && at.length >= first.length; at = dirname(at))
    await rmdir(at).catch(() => undefined);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

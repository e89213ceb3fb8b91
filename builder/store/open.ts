// Opens the store: a valid image layout with one folder of our own in it.

import { mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { DiskBlobs } from "./blobs.ts";
import { explained, prepareLayout } from "./layout.ts";
import { IndexNames } from "./names.ts";
import type { BlobStore, ImageNames } from "./store.ts";
import { sweepTemporary, temporaryPath } from "./temporary.ts";

/** The store below `root` (absolute), made when it is not there; swept of what dead processes left. Throws `STORE`. */
export async function openStore(root: string): Promise<BlobStore & { readonly names: ImageNames }> {
  const own = join(root, "tsbuild");
  await prepareLayout(root, own, "STORE");
  const temporary = join(own, "tmp");
  await explained(root, "STORE", async () => {
    await mkdir(temporary, { recursive: true });
    await sweepTemporary(temporary);
  });
  const names = new IndexNames(root, temporary);
  return Object.assign(new DiskBlobs(root, temporary), { names });
}

/** Another image layout on disk, open for additions; disposing it removes the temporary folder in it. Throws `OUTPUT`. */
export interface OpenLayout extends AsyncDisposable {
  readonly blobs: BlobStore;
  readonly names: IndexNames;
}

/** Opens or makes the layout in `path`. What is in it stays. */
export async function openLayoutForWriting(path: string): Promise<OpenLayout> {
  const own = join(path, ".tsbuild");
  await prepareLayout(path, own, "OUTPUT");
  await sweepTemporary(own);
  const temporary = temporaryPath(own, "export");
  await explained(path, "OUTPUT", () => mkdir(temporary, { recursive: true }));
  return {
    blobs: new DiskBlobs(path, temporary, "OUTPUT"),
    names: new IndexNames(path, temporary, "OUTPUT"),
    async [Symbol.asyncDispose]() {
      await rm(temporary, { recursive: true, force: true });
      // Stays while another process has something in it.
      await rmdir(own).catch(() => undefined);
    },
  };
}

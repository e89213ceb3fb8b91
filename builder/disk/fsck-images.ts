// The list of images, and whether those with names are whole.

import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import { mendIndex } from "../store/mend-index.ts";
import { IndexNames } from "../store/names.ts";
import type { Checking } from "./fsck.ts";
import { readNamedBlobs } from "./image-blobs.ts";
import type { NamedBlobs } from "./image-blobs.ts";

/** `index.json` and what it names; `oci-layout` was read when the store was opened. */
export async function checkImages(checking: Checking): Promise<void> {
  const { root, found } = checking;
  const own = join(root, "tsbuild/tmp");
  let images: readonly NamedBlobs[];
  try {
    images = readNamedBlobs(root);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    // Its entries are no entries, else it had been mended when the store was opened.
    const mend = "put aside as index.json.damaged; names of images that were built here are known again";
    await found("image", error.message, mend, async () => {
      await mendIndex(root, join(root, "tsbuild"), () => false);
      return true;
    });
    return;
  }
  const names = new IndexNames(root, own);
  for (const { name, missing } of images) {
    if (missing.length === 0) continue;
    await found("image", `the image "${name}" lacks ${missing.join(", ")}`, "its name is taken away", async () =>
      name.startsWith("sha256:") ? false : await names.untag(name),
    );
  }
}

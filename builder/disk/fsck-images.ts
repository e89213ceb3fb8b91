// The list of images, and whether those with names are whole.

import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import { appear } from "../store/layout.ts";
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
    const mend = `put aside as index.json.damaged; images are there by their digests`;
    await found("image", error.message, mend, async () => {
      if (existsSync(join(root, "index.json"))) renameSync(join(root, "index.json"), join(root, "index.json.damaged"));
      await appear(join(root, "index.json"), EMPTY_INDEX, own, "replace");
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

const EMPTY_INDEX = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';

// The layout's own files, and whether images with names are whole.

import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import { LAYOUT_TEXT, appear } from "../store/layout.ts";
import { IndexNames } from "../store/names.ts";
import type { Checking } from "./fsck.ts";
import { readNamedBlobs } from "./image-blobs.ts";
import type { NamedBlobs } from "./image-blobs.ts";

/** `oci-layout` was read when the store was opened; here `index.json` and what it names. */
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
  if (readLayout(root) !== LAYOUT_TEXT) {
    // Another tool may write it with other spaces.
    const isOther = readLayout(root)?.includes("imageLayoutVersion") === true;
    if (!isOther)
      await found("image", `"${join(root, "oci-layout")}" is damaged`, "written anew", async () => {
        await appear(join(root, "oci-layout"), LAYOUT_TEXT, own, "replace");
        return true;
      });
  }
  const names = new IndexNames(root, own);
  for (const { name, missing } of images) {
    if (missing.length === 0) continue;
    await found("image", `the image "${name}" lacks ${missing.join(", ")}`, "its name is taken away", async () =>
      name.startsWith("sha256:") ? false : await names.untag(name),
    );
  }
}

function readLayout(root: string): string | undefined {
  try {
    return readFileSync(join(root, "oci-layout"), "utf8");
  } catch {
    return undefined;
  }
}

const EMPTY_INDEX = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';

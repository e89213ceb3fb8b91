// Where the instructions of images stand that were built here: an image does not say it, and must not, since its id
// would change with every comment in the Dockerfile. Kept beside the images, by image id.

import { join } from "node:path";

import * as v from "valibot";

import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import type { InstructionPlace } from "../core/image/image-config.ts";
import { BoundedFolder } from "../store/bounded-folder.ts";

/** Images of which this is kept. */
const MAX_FILES = 1000;
const MAX_BYTES = 16 << 20;

/** Keeps the places of an image's history, one for each entry where it is known. A build of the same image from another file replaces them. */
export async function keepInstructionPlaces(
  root: string,
  imageId: Digest,
  places: readonly (InstructionPlace | undefined)[],
): Promise<void> {
  if (places.every((place) => place === undefined)) return;
  const bytes = Buffer.from(JSON.stringify(places.map((place) => place ?? null)));
  const folder = folderOf(root);
  const known = await folder.read(hexOf(imageId));
  // Most builds make what was there before.
  if (known === undefined || Buffer.compare(known, bytes) !== 0) await folder.write(hexOf(imageId), bytes);
}

/** The places of an image's history; empty when it was not built here, or too long ago. */
export async function instructionPlaces(
  root: string,
  imageId: Digest,
): Promise<readonly (InstructionPlace | undefined)[]> {
  const bytes = await folderOf(root).read(hexOf(imageId));
  if (bytes === undefined) return [];
  const schema = v.array(v.union([v.null(), v.object({ file: v.string(), line: v.number() })]));
  try {
    return v.parse(schema, JSON.parse(Buffer.from(bytes).toString("utf8"))).map((place) => place ?? undefined);
  } catch {
    return []; // as good as none
  }
}

function folderOf(root: string): BoundedFolder {
  const own = join(root, "tsbuild");
  return new BoundedFolder({
    path: join(own, "places"),
    maxFiles: MAX_FILES,
    maxBytes: MAX_BYTES,
    temporaryDirectory: join(own, "tmp"),
  });
}

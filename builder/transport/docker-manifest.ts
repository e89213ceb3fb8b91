// Docker's manifest.json beside an OCI layout's index.json in one archive: what makes docker
// and podman load it.

import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import { formatReference, parseReference } from "../core/image/reference.ts";
import { goJson } from "../image/json.ts";
import type { ImageManifest } from "../image/manifest.ts";
import type { NamedEntry } from "../store/names.ts";

/** RepoTags for entries of index.json. Full names: docker takes them for the short ones, podman would call a short one localhost/…. */
export function repoTags(entries: readonly NamedEntry[]): readonly string[] {
  const names = entries.flatMap((entry) => entry.fullName ?? []).map(parseReference);
  return names.filter(({ digest }) => digest === undefined).map(formatReference);
}

/** Docker's manifest.json over images whose blobs lie as in a layout. */
export function dockerManifestText(
  images: readonly { readonly manifest: ImageManifest; readonly tags: readonly string[] }[],
): string {
  const entries = images.map(({ manifest, tags }) =>
    goJson({
      Config: blobName(manifest.config.digest),
      RepoTags: tags.length === 0 ? null : tags,
      Layers: manifest.layers.map(({ digest }) => blobName(digest)),
    }),
  );
  return `[${entries.join(",")}]`;
}

/** Where a blob lies in a layout. */
export function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

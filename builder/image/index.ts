// Indexes: one name for the images of several platforms (image-spec, image-index.md;
// Docker's manifest lists), and which of them a platform gets.

import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform, normalizePlatform, platformRank } from "../core/image/platform.ts";
import { isEmpty, sortedMap } from "./json.ts";
import type { Annotations, Document, MediaFamily } from "./manifest.ts";
import { documentOf, marshalDescriptor } from "./manifest.ts";

export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Annotations;
}

/** The index over manifests; their descriptors bear platform and annotations. */
export function assembleIndex(
  manifests: readonly Descriptor[],
  family: MediaFamily,
  annotations: Annotations = {},
): Document {
  const mediaType = family === "oci" ? MEDIA.ociIndex : MEDIA.dockerIndex;
  if (family === "docker" && !isEmpty(annotations)) {
    throw new BuildError("UNSUPPORTED", "Docker's manifest lists have no annotations", {
      hint: "use OCI media types: oci-mediatypes=true",
    });
  }
  const index = {
    schemaVersion: 2,
    mediaType,
    manifests: manifests.map(marshalDescriptor),
    ...(isEmpty(annotations) ? {} : { annotations: sortedMap(annotations) }),
  };
  return documentOf(index, mediaType);
}

/**
 * The entry that runs best on a platform. An entry that names no platform stands when no other fits; attestations
 * (BuildKit's `unknown/unknown`) and artifacts never do. Throws `INPUT_MISSING` and says what there is.
 */
export function chooseManifest(index: ImageIndex, platform: Platform, name: string): Descriptor {
  let best: Descriptor | undefined;
  let bestRank = 0;
  for (const entry of index.manifests) {
    const rank = rankOf(entry, platform);
    if (rank > bestRank) [best, bestRank] = [entry, rank];
  }
  if (best !== undefined) return best;
  const offered = index.manifests.flatMap((entry) =>
    entry.platform === undefined || entry.platform.os === "unknown" ? [] : [formatPlatform(entry.platform)],
  );
  throw new BuildError("INPUT_MISSING", `${name} has no image for ${formatPlatform(platform)}`, {
    hint: offered.length === 0 ? undefined : `it has ${offered.join(", ")}`,
  });
}

/** Whether an entry is an image, as far as it says: no attestation, no artifact. */
export function isImageEntry(entry: Descriptor): boolean {
  return entry.artifactType === undefined && !isAttestation(entry);
}

/** Whether an entry is an attestation, as BuildKit lists them. */
export function isAttestation(entry: Descriptor): boolean {
  return entry.annotations?.["vnd.docker.reference.type"] !== undefined;
}

/** The digest of the manifest that an attestation is about. */
export function attestedBy(entry: Descriptor): string | undefined {
  return entry.annotations?.["vnd.docker.reference.digest"];
}

function rankOf(entry: Descriptor, wanted: Platform): number {
  if (!isImageEntry(entry)) return 0;
  if (entry.platform === undefined) return 0.5;
  return platformRank(wanted, normalizePlatform(entry.platform));
}

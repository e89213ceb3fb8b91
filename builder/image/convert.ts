// Manifests and indexes in the other family of media types (OCI and Docker's schema 2), or
// with other layers. The config's bytes, and so the image id, stay what they are.

import type { Descriptor } from "../core/image/descriptor.ts";
import { compressionOf, MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { JsonObject } from "./json.ts";
import { isEmpty, sortedMap } from "./json.ts";
import type { Document, ImageManifest, MediaFamily } from "./manifest.ts";
import { assembleManifest, documentOf } from "./manifest.ts";
import { parseDocument } from "./read.ts";

/** The family of a manifest's or index's media type. */
export function familyOf(mediaType: string): MediaFamily {
  return mediaType === MEDIA.dockerManifest || mediaType === MEDIA.dockerIndex ? "docker" : "oci";
}

/** Whether a manifest is of an image, not of a signature, an SBOM, or whatever else is stored as one. */
export function isImageManifest({ config, layers }: ImageManifest): boolean {
  const isConfig = config.mediaType === MEDIA.ociConfig || config.mediaType === MEDIA.dockerConfig;
  const isLayer = ({ mediaType }: Descriptor): boolean =>
    compressionOf(mediaType) !== undefined || /\.layer\.|\.rootfs\./.test(mediaType);
  return isConfig && layers.every(isLayer);
}

/** What of a manifest has no place in a family; one line each, for people. */
export function lostIn(family: MediaFamily, manifest: ImageManifest): readonly string[] {
  if (family === "oci") return [];
  const has = [
    !isEmpty(manifest.annotations) || manifest.layers.some((layer) => !isEmpty(layer.annotations)) ? "annotations" : "",
    manifest.subject === undefined ? "" : "its subject",
    manifest.artifactType === undefined ? "" : "its artifact type",
  ].filter((one) => one !== "");
  return has.length === 0 ? [] : [`Docker's schema 2 has no place for ${has.join(", ")}`];
}

/** What a family calls an image's config. */
export function configMediaType(family: MediaFamily): string {
  return family === "oci" ? MEDIA.ociConfig : MEDIA.dockerConfig;
}

/** An image's manifest in a family, over these layers. */
export function convertManifest(manifest: ImageManifest, layers: readonly Descriptor[], family: MediaFamily): Document {
  const config = { ...manifest.config, mediaType: configMediaType(family) };
  if (family === "docker") {
    return assembleManifest(withoutAnnotations(config), layers.map(withoutAnnotations), "docker");
  }
  return assembleManifest(config, layers, "oci", manifest.annotations, manifest);
}

/**
 * An index over manifests of which some have become others (by old digest), in a family. Whatever else it says stays,
 * also what we do not know; annotations only where the family has them.
 */
export function convertIndex(
  bytes: Uint8Array,
  mediaType: string,
  replaced: ReadonlyMap<Digest, Descriptor>,
  family: MediaFamily,
): Document {
  const known = parseDocument(bytes, "an index", mediaType);
  if (known.kind !== "index") throw new BuildError("INTERNAL", "a manifest is no index");
  const raw = JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject; // it was read above
  const entries = (raw["manifests"] as readonly JsonObject[]).map((entry, place) => {
    const old = known.index.manifests[place] as Descriptor; // the same list, read twice
    return convertEntry(entry, old, replaced, family);
  });
  const { annotations, ...others } = raw;
  const type = family === "oci" ? MEDIA.ociIndex : MEDIA.dockerIndex;
  const kept = family === "oci" && annotations !== undefined ? { annotations } : {};
  return documentOf({ ...others, mediaType: type, manifests: entries, ...kept }, type);
}

function convertEntry(
  entry: JsonObject,
  old: Descriptor,
  replaced: ReadonlyMap<Digest, Descriptor>,
  family: MediaFamily,
): JsonObject {
  const { mediaType, digest, size } = replaced.get(old.digest) ?? old;
  const { annotations: _, ...others } = entry;
  const changed = { ...others, mediaType, digest, size };
  if (family === "docker" || old.annotations === undefined) return changed;
  // An attestation names the image that it is about (BuildKit, attestation-storage.md).
  const about = replaced.get(old.annotations[ATTESTED] as Digest);
  const kept = about === undefined ? old.annotations : { ...old.annotations, [ATTESTED]: about.digest };
  return { ...changed, annotations: sortedMap(kept) };
}

const ATTESTED = "vnd.docker.reference.digest";

function withoutAnnotations({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

// Image manifests and their bytes (image-spec, manifest.md; distribution, schema 2).

import type { Descriptor } from "../core/image/descriptor.ts";
import { compressionOf, layerMediaType, MEDIA } from "../core/image/descriptor.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import type { JsonObject } from "./json.ts";
import { goJson, isEmpty, omitEmpty, sortedMap } from "./json.ts";

/** OCI's media types or Docker's. */
export type MediaFamily = "oci" | "docker";

export type Annotations = Readonly<Record<string, string>>;

export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

/** Bytes that are a manifest or an index, and what names them. */
export interface Document {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

/** The manifest of an image. Layers get the media type of the family; Docker's manifests have nothing but config and layers. */
export function assembleManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  family: MediaFamily,
  annotations: Annotations = {},
  { artifactType, subject }: Pick<ImageManifest, "artifactType" | "subject"> = {},
): Document {
  const mediaType = family === "oci" ? MEDIA.ociManifest : MEDIA.dockerManifest;
  if (family === "docker" && !isEmpty(annotations)) {
    throw new BuildError("UNSUPPORTED", "Docker's manifests have no annotations", {
      hint: "use OCI media types: oci-mediatypes=true",
    });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType,
    ...omitEmpty({ artifactType }),
    config: marshalDescriptor(config),
    layers: layers.map((layer) => marshalDescriptor(inFamily(layer, family))),
    ...(subject === undefined ? {} : { subject: marshalDescriptor(subject) }),
    ...(isEmpty(annotations) ? {} : { annotations: sortedMap(annotations) }),
  };
  return documentOf(manifest, mediaType);
}

/** A document's bytes as BuildKit writes them, and its descriptor. */
export function documentOf(content: JsonObject, mediaType: string): Document {
  const bytes = Buffer.from(goJson(content, "  "));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

/** A descriptor's fields in the order Go's struct has them. */
export function marshalDescriptor(descriptor: Descriptor): JsonObject {
  const { mediaType, digest, size, urls, annotations, platform, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...omitEmpty({
      urls,
      annotations: annotations === undefined ? undefined : sortedMap(annotations),
      platform: platform === undefined ? undefined : marshalPlatform(platform),
      artifactType,
    }),
  };
}

/** A layer's descriptor with the media type that a family has for its compression; throws `UNSUPPORTED` for what is no layer. */
function inFamily(layer: Descriptor, family: MediaFamily): Descriptor {
  const compression = compressionOf(layer.mediaType);
  if (compression === undefined) {
    throw new BuildError(
      "UNSUPPORTED",
      `layer ${layer.digest} has the media type "${layer.mediaType}", which no image of ours can hold`,
    );
  }
  return { ...layer, mediaType: layerMediaType(compression, family) };
}

function marshalPlatform(platform: Platform): JsonObject {
  const { architecture, os, osVersion, variant } = platform;
  return { architecture, os, ...omitEmpty({ "os.version": osVersion, variant }) };
}

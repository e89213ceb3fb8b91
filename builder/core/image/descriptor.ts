// Descriptors and media types (OCI image-spec, descriptor.md and media-types.md).

import type { Digest } from "../digest.ts";
import type { Platform } from "./platform.ts";

/** Names content by type, digest and size. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Size of the blob in bytes. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
}

/** The forms in which a layer's bytes travel. */
export type Compression = "gzip" | "zstd" | "uncompressed";

/** OCI's media types and Docker's (distribution, schema 2). */
export const MEDIA = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

/** The compression a layer's media type says; undefined for what is no layer we read (foreign, encrypted, unknown). */
export function compressionOf(mediaType: string): Compression | undefined {
  switch (mediaType) {
    case MEDIA.ociLayer:
    case MEDIA.dockerLayer:
      return "uncompressed";
    case MEDIA.ociLayerGzip:
    case MEDIA.dockerLayerGzip:
      return "gzip";
    case MEDIA.ociLayerZstd:
    case MEDIA.dockerLayerZstd:
      return "zstd";
    default:
      return undefined;
  }
}

/** The media type of a layer in the OCI or Docker family. */
export function layerMediaType(compression: Compression, family: "oci" | "docker"): string {
  const types = {
    oci: { uncompressed: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd },
    docker: { uncompressed: MEDIA.dockerLayer, gzip: MEDIA.dockerLayerGzip, zstd: MEDIA.dockerLayerZstd },
  };
  return types[family][compression];
}

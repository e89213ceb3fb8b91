// OCI layouts made by hand, blob by blob, so that each part can tell a lie of its own.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

// What is told may be anything: the format's own rules are what the tests break.
type Json = any; // eslint-disable-line

export interface CraftedImage {
  /** Uncompressed tars, bottom first. */
  readonly layers: readonly Buffer[];
  readonly compress?: (tar: Buffer) => Buffer;
  readonly mediaType?: string;
  /** History, runtime config and platform come in here; what is told instead of the truth, too. */
  readonly config?: (config: Json) => Json;
  readonly manifest?: (manifest: Json) => Json;
  /** The descriptor that names the manifest, in an index or in index.json. */
  readonly descriptor?: (descriptor: Json) => Json;
}

const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
export const zstd = { compress: (tar: Buffer) => zstdCompressSync(tar), mediaType: ZSTD } as const;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";

/** A layout on disk to which images are added. */
export class CraftedLayout {
  readonly folder: string;
  readonly #entries: Json[] = [];

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  }

  /** Adds an image under a name; its manifest's descriptor. */
  image(name: string, image: CraftedImage): Json {
    return this.#list(name, this.manifest(image));
  }

  /** Adds an index of images under a name. */
  index(name: string, images: readonly CraftedImage[], index: (index: Json) => Json = (it) => it): Json {
    const manifests = images.map((image) => this.manifest(image));
    return this.#list(name, this.json(index({ schemaVersion: 2, mediaType: INDEX, manifests }), INDEX));
  }

  manifest(image: CraftedImage): Json {
    const { layers, compress = gzipSync, mediaType = GZIP } = image;
    const same = (it: Json): Json => it;
    const config = (image.config ?? same)({
      architecture: "amd64",
      os: "linux",
      config: {},
      history: layers.map((_, at) => ({ created: "2020-01-01T00:00:00Z", created_by: `STEP ${at + 1}` })),
      rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
    });
    const manifest = (image.manifest ?? same)({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: this.json(config, CONFIG),
      layers: layers.map((tar) => this.blob(compress(tar), mediaType)),
    });
    return (image.descriptor ?? same)(this.json(manifest, MANIFEST));
  }

  json(value: Json, mediaType: string): Json {
    return this.blob(Buffer.from(JSON.stringify(value)), mediaType);
  }

  blob(bytes: Buffer, mediaType: string): Json {
    const digest = digestOf(bytes);
    writeFileSync(this.pathOf(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  pathOf(digest: string): string {
    return join(this.folder, "blobs", digest.replace(":", "/"));
  }

  #list(name: string, descriptor: Json): Json {
    this.#entries.push({ ...descriptor, annotations: { "org.opencontainers.image.ref.name": name } });
    writeFileSync(join(this.folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: this.#entries }));
    return descriptor;
  }
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

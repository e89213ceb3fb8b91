// A small image as a build would hand it over: two layers (gzip) in a store, and a draft.

import { gzipSync } from "node:zlib";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { ConfigDraft } from "../../builder/core/image/image-config.ts";
import type { Platform } from "../../builder/core/image/platform.ts";
import type { PlatformResult } from "../../builder/exporter/assemble.ts";
import { paddingOf } from "../../builder/layer/tar/tar-format.ts";
import { encodeTarHeader, TAR_END } from "../../builder/layer/tar/tar-writer.ts";
import type { StoredLayer } from "../../builder/snapshot/ref.ts";
import type { BlobStore } from "../../builder/store/store.ts";

/** A layer's tar with files of these contents. */
export function tarOf(files: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const body = Buffer.from(text);
    const header = encodeTarHeader({
      name,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtimeNs: 0n,
      link: "",
      major: 0,
      minor: 0,
    });
    return [Buffer.from(header), body, Buffer.alloc(paddingOf(body.length))];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** The layer in the store, gzipped. */
async function sampleLayer(store: BlobStore, files: Readonly<Record<string, string>>): Promise<StoredLayer> {
  const tar = tarOf(files);
  const { digest, size } = await store.put(gzipSync(tar));
  const descriptor: Descriptor = { mediaType: MEDIA.ociLayerGzip, digest, size };
  const diffId = digestOf(tar);
  const unused = (): never => {
    throw new Error("an image export asks for blobs only");
  };
  return {
    createdMs: 0,
    root: undefined,
    hasBlob: unused,
    knownBlob: unused,
    isHere: unused,
    id: diffId,
    index: unused,
    directory: unused,
    hasDirectory: unused,
    unpackTo: unused,
    sources: unused,
    look: unused,
    blob: async () => ({ descriptor, diffId, uncompressedSize: tar.length }),
  };
}

export const AMD64: Platform = { os: "linux", architecture: "amd64" };

/** One platform's result with two layers; `text` makes it differ from others. */
export async function sampleResult(
  store: BlobStore,
  text = "hello",
  platform: Platform = AMD64,
): Promise<PlatformResult> {
  const layers = [
    await sampleLayer(store, { "base.txt": "base\n" }),
    await sampleLayer(store, { "app.txt": `${text}\n` }),
  ];
  const draft: ConfigDraft = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: { Env: ["PATH=/bin"], Cmd: ["/bin/sh", "-c", "a && b <c>"], WorkingDir: "/", Labels: { b: "2", a: "1" } },
    history: [
      { created: "2020-01-01T00:00:00Z", created_by: "base" },
      { created_by: "ENV x", empty_layer: true },
      { created_by: "COPY app.txt / # buildkit", comment: "buildkit.dockerfile.v0" },
    ],
  };
  return { platform, ref: { layers }, draft };
}

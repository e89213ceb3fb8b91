// An OCI layout made by hand, layer by layer, so that the comparison can be shown to see what is wrong in one.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";

import { type Header, pack } from "tar-stream";

export type MadeEntry = Partial<Header> & { readonly name: string; readonly content?: string };

export interface MadeImage {
  architecture: string;
  config: Record<string, unknown>;
  history: { created_by: string; empty_layer?: boolean }[];
  layers: MadeEntry[][];
  /** What the config claims beside the truth. */
  diffIds?: (diffIds: string[]) => string[];
  /** What the manifest claims of its layers' sizes. */
  addToSize?: number;
}

/** Writes the images as a layout folder; blobs of layers may be spoiled on the way. */
export async function writeLayout(folder: string, images: readonly MadeImage[]): Promise<void> {
  mkdirSync(path.join(folder, "blobs/sha256"), { recursive: true });
  const put = (content: Buffer): { digest: string; size: number } => {
    const digest = digestOf(content);
    writeFileSync(path.join(folder, "blobs", digest.replace(":", "/")), content);
    return { digest, size: content.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const manifests: { digest: string; size: number }[] = [];
  for (const image of images) {
    const tars = await Promise.all(image.layers.map(writeTar));
    const diffIds = tars.map(digestOf);
    const layers = tars.map((tar) => {
      const { digest, size } = put(gzipSync(tar));
      return { digest, size: size + (image.addToSize ?? 0) };
    });
    const config = put(
      json({
        architecture: image.architecture,
        os: "linux",
        config: image.config,
        history: image.history,
        rootfs: { type: "layers", diff_ids: image.diffIds?.(diffIds) ?? diffIds },
      }),
    );
    manifests.push(put(json({ schemaVersion: 2, config, layers })));
  }
  writeFileSync(path.join(folder, "index.json"), json({ schemaVersion: 2, manifests }));
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

async function writeTar(entries: readonly MadeEntry[]): Promise<Buffer> {
  const tar = pack();
  const content = buffer(tar);
  for (const { content = "", ...headers } of entries) tar.entry({ mtime: new Date(0), ...headers }, content);
  tar.finalize();
  return await content;
}

// Everything in a store, looked at without trusting any of it. Throws at the first thing that is wrong.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";

import { decodeIndex } from "../../builder/layer/index-file.ts";

export interface StoreFigures {
  readonly blobs: number;
  readonly bytes: number;
  /** Layers that cache records name. */
  readonly recorded: number;
  readonly layers: number;
  readonly images: number;
}

interface Described {
  readonly digest: string;
  readonly size: number;
}

/** Checks blobs, layers, records, images, and that no temporary file is left. */
export async function checkStore(root: string): Promise<StoreFigures> {
  const { blobs, bytes } = await checkBlobs(path.join(root, "blobs/sha256"));
  const layers = checkLayers(root);
  const recorded = checkRecords(root);
  const images = checkImages(root);
  for (const name of ["work", "tmp"])
    assert.deepEqual(readdirSync(path.join(root, "tsbuild", name)), [], `left in ${name}`);
  return { blobs, bytes, recorded, layers, images };
}

async function checkBlobs(folder: string): Promise<{ blobs: number; bytes: number }> {
  let bytes = 0;
  const names = readdirSync(folder);
  for (const name of names) {
    const sum = createHash("sha256");
    await pipeline(createReadStream(path.join(folder, name)), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        sum.update(chunk);
        bytes += chunk.length;
      }
    });
    assert.equal(sum.digest("hex"), name, `blob ${name} has other bytes`);
  }
  return { blobs: names.length, bytes };
}

function checkLayers(root: string): number {
  const folder = path.join(root, "tsbuild/layers");
  const ids = readdirSync(folder);
  for (const id of ids) checkLayer(root, id);
  return ids.length;
}

/** A layer is whole: it says what it is, its entries can be read, and its bytes are somewhere. */
function checkLayer(root: string, id: string): void {
  const folder = path.join(root, "tsbuild/layers", id);
  assert.ok(existsSync(path.join(folder, "meta.json")), `layer ${id} is unfinished`);
  const meta = JSON.parse(readFileSync(path.join(folder, "meta.json"), "utf8")) as {
    origin: string;
    variants: { descriptor: Described }[];
  };
  const hasDirectory = existsSync(path.join(folder, "fs"));
  const hasBlob = meta.variants.some(({ descriptor }) => hasBytes(root, descriptor));
  assert.ok(hasDirectory || hasBlob || meta.origin === "image", `layer ${id} has no bytes`);
  const index = path.join(folder, "index");
  if (meta.origin === "built") assert.ok(existsSync(index), `layer ${id} has no index`);
  if (!existsSync(index)) return;
  const entries = decodeIndex(readFileSync(index));
  assert.ok(entries !== undefined, `layer ${id}: its index is damaged`);
  if (!hasDirectory) return;
  const files = entries.filter(({ type }) => type === "file");
  for (const { path: name } of files)
    assert.ok(existsSync(Buffer.from(`${path.join(folder, "fs")}/${name}`, "latin1")), `layer ${id} lacks ${name}`);
}

function checkRecords(root: string): number {
  const database = new DatabaseSync(path.join(root, "tsbuild/cache.db"), { readOnly: true });
  try {
    const rows = database.prepare("SELECT layers FROM results").all();
    const ids = new Set(rows.flatMap((row) => JSON.parse(String(row["layers"])) as string[]));
    for (const id of ids) checkLayer(root, id);
    return ids.size;
  } finally {
    database.close();
  }
}

function checkImages(root: string): number {
  const index = readJson(path.join(root, "index.json")) as { manifests: Described[] };
  for (const descriptor of index.manifests) {
    const manifest = readJson(blobPath(root, descriptor)) as { config: Described; layers: Described[] };
    for (const blob of [descriptor, manifest.config, ...manifest.layers])
      assert.ok(hasBytes(root, blob), `${descriptor.digest} lacks ${blob.digest}`);
  }
  return index.manifests.length;
}

function hasBytes(root: string, blob: Described): boolean {
  return existsSync(blobPath(root, blob)) && readFileSync(blobPath(root, blob)).length === blob.size;
}

function blobPath(root: string, { digest }: Described): string {
  return path.join(root, "blobs", digest.replace(":", "/"));
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

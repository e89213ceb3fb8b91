// An OCI image as text that a person can read and a test can compare, made without the engine: node:zlib, node:crypto and
// tar-stream read what the engine wrote. On the way every identity is checked: each blob's digest and size, the
// manifest's, the image id, each diff_id.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";

import { extract, type Header } from "tar-stream";
import * as v from "valibot";

import { decompress } from "./decompress.ts";

const Descriptor = v.object({ mediaType: v.string(), digest: v.string(), size: v.number() });
const Index = v.object({ manifests: v.array(Descriptor) });
const Manifest = v.object({ config: Descriptor, layers: v.array(Descriptor) });
const Config = v.object({
  history: v.array(v.object({ created_by: v.optional(v.string(), ""), empty_layer: v.optional(v.boolean(), false) })),
  rootfs: v.object({ type: v.literal("layers"), diff_ids: v.array(v.string()) }),
});

/** What is in one layer, and the step that made it. */
export interface LayerText {
  readonly diffId: string;
  readonly step: string;
  readonly lines: readonly string[];
}

/** Reads the only image of an OCI layout, a folder or a tar. Throws where a digest, size or count is not what it claims. */
export async function readImageText(source: string): Promise<readonly LayerText[]> {
  const layout = await openLayout(source);
  const index = v.parse(Index, JSON.parse(layout("index.json").toString()));
  const [only] = index.manifests;
  assert.ok(only !== undefined && index.manifests.length === 1, "the layout holds one image");
  const manifest = v.parse(Manifest, JSON.parse(readBlob(layout, only).toString()));
  const config = v.parse(Config, JSON.parse(readBlob(layout, manifest.config).toString()));
  const steps = config.history.filter((step) => !step.empty_layer);
  assert.equal(manifest.layers.length, config.rootfs.diff_ids.length, "as many layers as diff_ids");
  assert.equal(manifest.layers.length, steps.length, "as many layers as history entries that are not empty");
  const layers: LayerText[] = [];
  for (const [at, layer] of manifest.layers.entries()) {
    const tar = decompress(readBlob(layout, layer));
    const diffId = digestOf(tar);
    assert.equal(diffId, config.rootfs.diff_ids[at], `diff_id of layer ${at + 1}`);
    layers.push({ diffId, step: readableStep(steps[at]?.created_by ?? ""), lines: await readEntries(tar) });
  }
  return layers;
}

/** The layers that are not in `base`, with the number they have in the image. */
export function formatLayers(layers: readonly LayerText[], base: readonly LayerText[]): string {
  const shared = new Set(base.map((layer) => layer.diffId));
  return layers
    .map((layer, at) => ({ ...layer, number: at + 1 }))
    .filter((layer) => !shared.has(layer.diffId))
    .map(
      (layer) => [`layer ${layer.number}  ${layer.step}`, ...layer.lines.map((line) => `  ${line}`)].join("\n") + "\n",
    )
    .join("");
}

/** A file of the layout by its name in it. */
type Layout = (name: string) => Buffer;

async function openLayout(source: string): Promise<Layout> {
  if (statSync(source).isDirectory()) return (name) => readFileSync(path.join(source, name));
  const files = new Map<string, Buffer>();
  await eachEntry(readFileSync(source), ({ name }, content) => void files.set(name, content));
  return (name) => files.get(name) ?? assert.fail(`${source} has no ${name}`);
}

function readBlob(layout: Layout, { digest, size }: v.InferOutput<typeof Descriptor>): Buffer {
  const bytes = layout(`blobs/${digest.replace(":", "/")}`);
  assert.equal(digestOf(bytes), digest, "digest of a blob");
  assert.equal(bytes.length, size, `size of ${digest}`);
  return bytes;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** `RUN /bin/sh -c rm /a # buildkit` as the Dockerfile had it. */
function readableStep(createdBy: string): string {
  return createdBy.replace(/ # buildkit$/, "").replace(/^RUN (?:\|\d+ .*?)?\/bin\/sh -c /, "RUN ");
}

async function readEntries(tar: Buffer): Promise<string[]> {
  const lines: string[] = [];
  await eachEntry(tar, (header) => void lines.push(describe(header)));
  return lines;
}

async function eachEntry(tar: Buffer, visit: (header: Header, content: Buffer) => void): Promise<void> {
  const entries = extract();
  Readable.from([tar]).pipe(entries);
  for await (const entry of entries) visit(entry.header, await buffer(entry));
}

function describe(header: Header): string {
  const name = header.name.replace(/\/$/, "");
  const base = path.basename(name);
  if (base === ".wh..wh..opq") return `${path.dirname(name)}  opaque`;
  if (base.startsWith(".wh.")) return `${path.join(path.dirname(name), base.slice(4))}  whiteout`;
  const mode = (header.mode ?? 0).toString(8).padStart(4, "0");
  const owner = `${header.uid}:${header.gid}`;
  const attributes = Object.keys(header.pax ?? {})
    .filter((key) => key.startsWith("SCHILY.xattr."))
    .map((key) => `  ${key.slice("SCHILY.xattr.".length)}`)
    .join("");
  switch (header.type) {
    case "directory":
      return `${name}  directory ${mode} ${owner}${attributes}`;
    case "symlink":
      return `${name}  symlink ${owner} -> ${header.linkname}`;
    case "link":
      return `${name}  link -> ${header.linkname}`;
    case "file":
      return `${name}  file ${mode} ${owner} ${header.size} bytes${attributes}`;
    default:
      return `${name}  ${header.type} ${mode} ${owner} ${header.devmajor}:${header.devminor}`;
  }
}

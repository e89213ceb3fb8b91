// An OCI layout, a folder or a tar, read blob by blob. Every blob is checked against the digest and size of whoever
// names it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";

import * as v from "valibot";

import { readTar } from "./tar.ts";

const Descriptor = v.object({
  mediaType: v.optional(v.string(), ""),
  digest: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
  size: v.number(),
  annotations: v.optional(v.record(v.string(), v.string()), {}),
});
export type Descriptor = v.InferOutput<typeof Descriptor>;
const Index = v.object({ manifests: v.array(Descriptor) });
const Manifest = v.object({
  config: Descriptor,
  layers: v.array(Descriptor),
  annotations: v.optional(v.record(v.string(), v.string()), {}),
});
export type Manifest = v.InferOutput<typeof Manifest>;

const optionalText = v.nullish(v.string());
const Config = v.object({
  architecture: v.string(),
  os: v.string(),
  "os.version": optionalText,
  variant: optionalText,
  author: optionalText,
  created: optionalText,
  config: v.nullish(v.record(v.string(), v.unknown()), {}),
  history: v.nullish(
    v.array(
      v.object({ created_by: v.optional(v.string()), empty_layer: v.optional(v.boolean()), created: optionalText }),
    ),
    [],
  ),
  rootfs: v.object({ type: v.literal("layers"), diff_ids: v.nullish(v.array(v.string()), []) }),
});
export type OciConfig = v.InferOutput<typeof Config>;

export interface Layout {
  readonly read: (name: string) => Buffer;
  readonly blob: (descriptor: Descriptor) => Buffer;
}

export function openLayout(source: string): Layout {
  const read = statSync(source).isDirectory() ? fromFolder(source) : fromTar(source);
  return {
    read,
    blob({ digest, size }) {
      const bytes = read(`blobs/${digest.replace(":", "/")}`);
      assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest, "digest of a blob");
      assert.equal(bytes.length, size, `size of ${digest}`);
      return bytes;
    },
  };
}

/** All image manifests below index.json: each once, attestations left out. */
export function listManifests(layout: Layout): Manifest[] {
  const manifests: Manifest[] = [];
  const seen = new Set<string>();
  const visit = (descriptor: Descriptor): void => {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    if (descriptor.annotations["vnd.docker.reference.type"] === "attestation-manifest") return;
    const json: unknown = JSON.parse(layout.blob(descriptor).toString());
    if (typeof json === "object" && json !== null && "manifests" in json) v.parse(Index, json).manifests.forEach(visit);
    else manifests.push(v.parse(Manifest, json));
  };
  v.parse(Index, JSON.parse(layout.read("index.json").toString())).manifests.forEach(visit);
  return manifests;
}

export function readConfig(layout: Layout, { config }: Manifest): OciConfig {
  return v.parse(Config, JSON.parse(layout.blob(config).toString()));
}

function fromFolder(folder: string): Layout["read"] {
  return (name) => readFileSync(path.join(folder, name));
}

function fromTar(file: string): Layout["read"] {
  const files = new Map<string, Buffer>();
  for (const { name, content } of readTar(readFileSync(file)))
    files.set(path.posix.normalize(name.toString()), content);
  return (name) => files.get(name) ?? assert.fail(`${file} has no ${name}`);
}

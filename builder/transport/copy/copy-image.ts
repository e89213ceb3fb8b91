// An image from any place to any other: blobs first, each one once and only where it is
// not there yet, then manifests, checked as a whole, then the index, names at the end.
// Bytes stream from one place to the other; only a layer that must become another one lies
// on this machine in between.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import { convertIndex, familyOf } from "../../image/convert.ts";
import type { ImageIndex } from "../../image/index.ts";
import { chooseManifest } from "../../image/index.ts";
import type { Document } from "../../image/manifest.ts";
import { parseDocument } from "../../image/read.ts";
import type { ImageSink, ImageSource } from "../source.ts";
import { ALL_FORMS, resolveImage, verifyBytes } from "../source.ts";
import { copyManifest } from "./copy-manifest.ts";
import type { CopyOptions, CopyResult, CopyWork } from "./copy-work.ts";
import { refuseChange } from "./copy-work.ts";
import { FAMILY_NAMES, sinkFamily } from "./plan.ts";

/**
 * Copies what a source names. Call the sink's `finish` afterwards. Throws `DIGEST_INVALID`, `ARCHIVE_INVALID` for content
 * that does not hold; then no name leads to anything new.
 */
export async function copyImage(source: ImageSource, sink: ImageSink, options: CopyOptions): Promise<CopyResult> {
  const failed = new AbortController();
  const work: CopyWork = {
    source,
    sink,
    forms: sink.forms ?? ALL_FORMS,
    options,
    signal: AbortSignal.any([options.signal, failed.signal]),
    fail: () => failed.abort(),
    moved: new Map(),
    images: [],
    changes: [],
  };
  const start = await findStart(source, options);
  const top = await copyDocument(work, start, 0);
  await sink.putDocument(top.descriptor, top.bytes, options.names, options.signal, true);
  const { images, changes, forms } = work;
  return { top: top.descriptor, images, changes, keepsManifest: forms.keepsManifest };
}

async function findStart(source: ImageSource, { which, platform, signal }: CopyOptions): Promise<Document> {
  if (which === "one") {
    const { top, manifest } = await resolveImage(source, platform, signal);
    if (manifest === top) return top;
    // What the index says of it is the index's; its platform is good to know anywhere.
    const { annotations: _, ...descriptor } = manifest.descriptor;
    return { descriptor, bytes: manifest.bytes };
  }
  const top = await source.top(signal);
  verifyBytes(top.descriptor, top.bytes, source.name);
  return top;
}

const MOST_LEVELS = 4;

/** Sends all that a document needs; it itself, as it is at the destination, is given back for the caller to send. */
async function copyDocument(work: CopyWork, document: Document, level: number): Promise<Document> {
  const { source } = work;
  const what = `${source.name} (${document.descriptor.digest})`;
  const parsed = parseDocument(document.bytes, what, document.descriptor.mediaType);
  if (parsed.kind === "manifest") return await copyManifest(work, document, parsed.manifest);
  if (level === MOST_LEVELS)
    throw new BuildError("ARCHIVE_INVALID", `${source.name} nests indexes more than ${MOST_LEVELS} deep`);
  return await copyIndex(work, document, parsed.index, level);
}

async function copyIndex(work: CopyWork, document: Document, index: ImageIndex, level: number): Promise<Document> {
  const { source, sink, forms, options, signal } = work;
  if (!forms.indexes) {
    throw new BuildError("USAGE", `${sink.name} holds images of one platform, and ${source.name} is an index`, {
      hint: "leave --all away; --platform says which of its images is taken",
    });
  }
  const what = "the index";
  const own = familyOf(index.mediaType);
  const family = sinkFamily(own, source.isDerived ?? false, forms, options);
  const reasons = family === own ? [] : [`${FAMILY_NAMES[own]} becomes ${FAMILY_NAMES[family]}`];
  refuseChange(work, what, reasons);
  const replaced = new Map<Digest, Descriptor>();
  for (const child of await wantedOf(index, source, options)) {
    const bytes = await source.document(child, signal);
    verifyBytes(child, bytes, source.name);
    const made = await copyDocument(work, { descriptor: child, bytes }, level + 1);
    await sink.putDocument(made.descriptor, made.bytes, [], signal, false);
    if (made.descriptor.digest !== child.digest) replaced.set(child.digest, made.descriptor);
  }
  if (family === own && replaced.size === 0) return document;
  const { bytes, descriptor } = convertIndex(document.bytes, document.descriptor.mediaType, replaced, family);
  work.changes.push({
    what,
    from: document.descriptor.digest,
    to: descriptor.digest,
    reasons: replaced.size === 0 ? reasons : [...reasons, "its images have other digests"],
  });
  return { bytes, descriptor: { ...document.descriptor, ...descriptor } };
}

async function wantedOf(
  index: ImageIndex,
  source: ImageSource,
  { which, platform }: CopyOptions,
): Promise<readonly Descriptor[]> {
  switch (which) {
    case "all":
    case "present": {
      const there: Descriptor[] = [];
      for (const child of index.manifests) if ((await source.has?.(child)) !== false) there.push(child);
      if (which === "all" && there.length < index.manifests.length) throw incomplete(index, there, source.name);
      return there;
    }
    case "sparse":
      return [chooseManifest(index, platform, source.name)];
    case "one":
    case "index":
      return [];
  }
}

function incomplete({ manifests }: ImageIndex, there: readonly Descriptor[], name: string): BuildError {
  const have = there.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]));
  return new BuildError(
    "INPUT_MISSING",
    `of the ${manifests.length} images of ${name} only ${there.length} are there`,
    {
      hint: `fetch the rest (tsbuild pull --all-platforms)${have.length === 0 ? "" : `, or choose one: ${have.join(", ")}`}`,
    },
  );
}

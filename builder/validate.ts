// Everything that must hold of an image, one check after the other, each with what came of it; nothing stops at the
// first fault. What a build, a pull or a copy asks of an image before it is visible is in image/validate.ts.

import { checkBlob, checkLayer } from "./engine/images/check-layer.ts";
import type { Descriptor } from "./core/image/descriptor.ts";
import { MEDIA } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageConfig } from "./core/image/image-config.ts";
import type { Platform } from "./core/image/platform.ts";
import { formatPlatform } from "./core/image/platform.ts";
import type { Check } from "./image/checks.ts";
import {
  check,
  checkEmbedded,
  checkIdentity,
  checkMediaType,
  checkPairs,
  checkReading,
  checkSchema,
} from "./image/checks.ts";
import type { ImageIndex } from "./image/index.ts";
import { attestedBy, chooseManifest } from "./image/index.ts";
import type { ImageManifest } from "./image/manifest.ts";
import { parseConfig, parseDocument } from "./image/read.ts";
import type { ImageSource } from "./transport/source.ts";
import { collect } from "./transport/source.ts";

/** A check of one part of the image. */
export interface ImageCheck extends Check {
  /** `index`, `manifest`, `layer 3`; in an index with the platform: `linux/arm64 config`. */
  readonly subject: string;
}

const DOCUMENT_BYTES = 16 << 20;
const MAX_DEPTH = 4;

/**
 * Checks all of an image, or of an index only what one platform gets. Manifests that a local place does not hold are
 * "absent". Throws what reaching the place throws.
 */
export async function* validateAll(
  source: ImageSource,
  platform: Platform | undefined,
  signal: AbortSignal,
): AsyncGenerator<ImageCheck> {
  const top = await attempt(source.top(signal));
  if (top instanceof BuildError) {
    if (top.code === "INPUT_MISSING") throw top;
    yield { subject: "image", ...check("it can be read", false, top.message) };
    return;
  }
  yield* new Walk(source, platform, signal).document("", top.descriptor, top.bytes, 0);
}

class Walk {
  readonly #source: ImageSource;
  readonly #platform: Platform | undefined;
  readonly #signal: AbortSignal;
  /** Layers that were checked already: the images of an index share some. */
  readonly #layers = new Map<string, readonly Check[]>();

  constructor(source: ImageSource, platform: Platform | undefined, signal: AbortSignal) {
    this.#source = source;
    this.#platform = platform;
    this.#signal = signal;
  }

  /** `owner` is what the document belongs to: a platform, or "" when there is only one. */
  async *document(owner: string, descriptor: Descriptor, bytes: Uint8Array, depth: number): AsyncGenerator<ImageCheck> {
    const json = jsonIn(bytes);
    const kind = json !== undefined && "manifests" in json ? "index" : "manifest";
    const subject = named(owner, kind);
    yield* about(subject, checkIdentity(descriptor, bytes));
    if (json === undefined) {
      yield { subject, ...check("it is a JSON object", false) };
      return;
    }
    yield* about(subject, [...checkSchema(kind, json), ...checkMediaType(descriptor, json), ...checkEmbedded(json)]);
    const { checks, value } = checkReading(() => parseDocument(bytes, `the ${kind}`, descriptor.mediaType));
    yield* about(subject, checks);
    if (value?.kind === "index") yield* this.#index(owner, value.index, depth);
    if (value?.kind === "manifest") yield* this.#manifest(owner, descriptor, value.manifest);
  }

  async *#index(owner: string, index: ImageIndex, depth: number): AsyncGenerator<ImageCheck> {
    const subject = named(owner, "index");
    if (depth >= MAX_DEPTH) {
      yield { subject, ...check(`indexes are nested ${MAX_DEPTH} deep at most`, false) };
      return;
    }
    const { checks, value: entries } = checkReading(() => this.#wanted(index));
    yield* about(subject, checks);
    let isEmpty = index.manifests.length > 0;
    for (const entry of entries ?? []) {
      const name = nameOf(entry);
      yield* about(named(name, "manifest"), checkReference(entry, index));
      if ((await this.#source.has?.(entry)) === false) {
        yield { subject: named(name, "manifest"), rule: "it is there", result: "absent" };
        continue;
      }
      isEmpty = false;
      const bytes = await attempt(this.#source.document(entry, this.#signal));
      if (bytes instanceof BuildError)
        yield { subject: named(name, "manifest"), ...check("it can be read", false, bytes.message) };
      else yield* this.document(name, entry, bytes, depth + 1);
    }
    if (isEmpty && entries !== undefined) yield { subject, ...check("something of what it lists is there", false) };
  }

  /** The entries to look at: all, or the one of the platform and what is about it. Throws `INPUT_MISSING`. */
  #wanted(index: ImageIndex): readonly Descriptor[] {
    if (this.#platform === undefined) return index.manifests;
    const chosen = chooseManifest(index, this.#platform, "the index");
    return index.manifests.filter((entry) => entry === chosen || attestedBy(entry) === chosen.digest);
  }

  async *#manifest(owner: string, descriptor: Descriptor, manifest: ImageManifest): AsyncGenerator<ImageCheck> {
    const isImage = [MEDIA.ociConfig, MEDIA.dockerConfig].some((type) => type === manifest.config.mediaType);
    const config = yield* this.#config(owner, manifest.config, isImage);
    if (config !== undefined) yield* about(named(owner, "config"), checkPairs(descriptor, manifest, config));
    // Attestations have an image's config, but their layers are statements.
    const hasTars = isImage && attestedBy(descriptor) === undefined;
    for (const [at, layer] of manifest.layers.entries()) {
      const subject = named(owner, `layer ${at + 1}`);
      yield* this.#layer(subject, layer, hasTars ? { diffId: config?.rootfs.diff_ids[at] } : "no tar");
    }
  }

  async *#config(
    owner: string,
    descriptor: Descriptor,
    isImage: boolean,
  ): AsyncGenerator<ImageCheck, ImageConfig | undefined> {
    const subject = named(owner, "config");
    const bytes = await attempt(collect(this.#source.blob(descriptor, this.#signal), DOCUMENT_BYTES, "it"));
    if (bytes instanceof BuildError) {
      yield { subject, ...check("it can be read", false, bytes.message) };
      return undefined;
    }
    yield* about(subject, checkIdentity(descriptor, bytes));
    if (!isImage) return undefined;
    const json = jsonIn(bytes);
    if (json === undefined) {
      yield { subject, ...check("it is a JSON object", false) };
      return undefined;
    }
    yield* about(subject, checkSchema("config", json));
    const { checks, value } = checkReading(() => parseConfig(bytes, "the config"));
    yield* about(subject, checks);
    return value;
  }

  /** Layers are checked once: images of several platforms share some. */
  async *#layer(
    subject: string,
    layer: Descriptor,
    tar: { readonly diffId: Digest | undefined } | "no tar",
  ): AsyncGenerator<ImageCheck> {
    const key = JSON.stringify([layer, tar]);
    const blob = this.#source.blob(layer, this.#signal);
    const examine = (): Promise<Check[]> =>
      tar === "no tar" ? checkBlob(blob, layer, this.#signal) : checkLayer(blob, layer, tar.diffId, this.#signal);
    const found = this.#layers.get(key) ?? (await attempt(examine()));
    const checks = found instanceof BuildError ? [check("it can be read", false, found.message)] : found;
    this.#layers.set(key, checks);
    yield* about(subject, checks);
  }
}

function* about(subject: string, checks: readonly Check[]): Generator<ImageCheck> {
  for (const one of checks) yield { subject, ...one };
}

function named(owner: string, part: string): string {
  return owner === "" ? part : `${owner} ${part}`;
}

function nameOf(entry: Descriptor): string {
  const reference = attestedBy(entry);
  if (reference !== undefined) return `attestation of ${reference.slice(0, 19)}`;
  return entry.platform === undefined ? entry.digest.slice(0, 19) : formatPlatform(entry.platform);
}

function checkReference(entry: Descriptor, index: ImageIndex): Check[] {
  const reference = attestedBy(entry);
  if (reference === undefined) return [];
  const isThere = index.manifests.some(({ digest }) => digest === reference);
  return [check("it is about a manifest of the index", isThere, `it is about ${reference}`)];
}

/** Faults of what is read are findings; the rest (a registry that does not answer, a signal) is thrown. */
async function attempt<T>(work: Promise<T>): Promise<T | BuildError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BuildError && FINDINGS.has(error.code)) return error;
    throw error;
  }
}

const FINDINGS: ReadonlySet<string> = new Set(["INPUT_MISSING", "DIGEST_INVALID", "ARCHIVE_INVALID", "STORE"]);

function jsonIn(bytes: Uint8Array): object | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}

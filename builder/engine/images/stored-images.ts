// Which image of the local store a person means: by its name, or by the beginning of a digest (of the image id, of the
// manifest, of the index). Images without a name are found by digest too.

import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { hexOf, isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ExpandName } from "../../core/image/reference.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { ImageDocument } from "../../image/read.ts";
import { parseDocument } from "../../image/read.ts";
import type { BlobStore, ImageNames } from "../../store/store.ts";

type Store = BlobStore & { readonly names: ImageNames };

/** An image of the store. */
export interface StoredImage {
  /** Of its manifest or index. */
  readonly descriptor: Descriptor;
  /** What the store calls it; none for an image that was found by its digest only. */
  readonly names: readonly string[];
  /** The one of them that it was found by; undefined: it was found by its digest. */
  readonly name: string | undefined;
}

/**
 * Finds an image; undefined when there is none. What `expandName` makes of a name is looked for last. Throws
 * `INPUT_MISSING` when a digest's beginning fits several.
 */
export async function findStored(
  store: Store,
  text: string,
  expandName?: ExpandName,
): Promise<StoredImage | undefined> {
  const named = await store.names.list();
  const namesOf = (digest: Digest): string[] =>
    named.filter(({ descriptor }) => descriptor.digest === digest).map(({ name }) => name);
  const byName = (names: readonly string[]): StoredImage | undefined => {
    for (const name of names) {
      const found = named.findLast((entry) => entry.name === name);
      if (found !== undefined) return { descriptor: found.descriptor, names: namesOf(found.descriptor.digest), name };
    }
    return undefined;
  };
  const own = byName(namesFor(text));
  if (own !== undefined) return own;
  const hex = digestPrefix(text);
  if (hex !== undefined) {
    const tops = named.map(({ descriptor }) => descriptor);
    const fitting = (await namedBy(store, hex, tops)) ?? (await unnamedBy(store, hex));
    if (fitting !== undefined) return { descriptor: fitting, names: namesOf(fitting.digest), name: undefined };
  }
  return byName(await expandedNames(text, expandName));
}

async function expandedNames(text: string, expandName: ExpandName | undefined): Promise<readonly string[]> {
  const isName = expandName !== undefined && namesFor(text).length > 1;
  return isName ? [formatReference(parseReference(await expandName(text)))] : [];
}

/** The names that a text may stand for: as other tools wrote it, and in full. */
function namesFor(text: string): readonly string[] {
  try {
    return [text, formatReference(parseReference(text))];
  } catch {
    return [text];
  }
}

/** Fewer digits than this are a name. */
const LEAST_DIGITS = 4;

/** The hex digits of a digest or of its beginning: `sha256:ab12`, `ab12`, `name@sha256:…`. */
export function digestPrefix(text: string): string | undefined {
  const digest = text.slice(text.indexOf("@") + 1);
  const hex = digest.startsWith("sha256:") ? digest.slice("sha256:".length) : digest;
  return new RegExp(`^[0-9a-f]{${LEAST_DIGITS},64}$`).test(hex) ? hex : undefined;
}

/** Among the named images: by index, by manifest, by image id. */
async function namedBy(store: Store, hex: string, tops: readonly Descriptor[]): Promise<Descriptor | undefined> {
  const found = new Map<Digest, Descriptor>();
  const visit = async (descriptor: Descriptor): Promise<void> => {
    const fits = hexOf(descriptor.digest).startsWith(hex);
    if (fits) found.set(descriptor.digest, descriptor);
    const document = await read(store, descriptor);
    if (document?.kind === "index") for (const child of document.index.manifests) await visit(child);
    if (document?.kind !== "manifest" || fits) return;
    const { digest } = document.manifest.config;
    if (hexOf(digest).startsWith(hex) && !found.has(digest)) found.set(digest, descriptor);
  };
  for (const top of tops) await visit(top);
  return onlyOne(found, hex);
}

/** Among all blobs: manifests and indexes, and manifests of a config. */
async function unnamedBy(store: Store, hex: string): Promise<Descriptor | undefined> {
  const folder = join(store.layoutPath, "blobs/sha256");
  const digests = (await readdir(folder)).map((name) => `sha256:${name}`).filter(isDigest);
  const found = new Map<Digest, Descriptor>();
  const configs: Digest[] = [];
  for (const digest of digests.filter((one) => hexOf(one).startsWith(hex))) {
    const descriptor = await describe(store, digest);
    if (descriptor === "other") configs.push(digest);
    else if (descriptor !== undefined) found.set(digest, descriptor);
  }
  if (configs.length > 0) {
    const times = await Promise.all(digests.map(async (digest) => (await stat(join(folder, hexOf(digest)))).mtimeMs));
    const newestFirst = digests.map((digest, at) => ({ digest, at: times[at] ?? 0 })).sort((a, b) => b.at - a.at);
    for (const { digest } of newestFirst) {
      const config = await configOf(store, digest);
      if (config !== undefined && configs.includes(config.digest) && !found.has(config.digest))
        found.set(config.digest, config.manifest);
    }
  }
  return onlyOne(found, hex);
}

function onlyOne(found: ReadonlyMap<Digest, Descriptor>, hex: string): Descriptor | undefined {
  if (found.size <= 1) return found.values().next().value;
  throw new BuildError("INPUT_MISSING", `${found.size} images of the store begin with "${hex}"`, {
    hint: `write more of the digest: ${[...found.keys()].join(", ")}`,
  });
}

/** A document that a descriptor names; undefined when it is not there (an index may name what was never fetched) or damaged. */
async function read(store: Store, descriptor: Descriptor): Promise<ImageDocument | undefined> {
  return await unlessBroken(async () => {
    if (!(await store.has(descriptor.digest))) return undefined;
    return parseDocument(await store.read(descriptor.digest), `"${descriptor.digest}"`, descriptor.mediaType);
  });
}

const DOCUMENT_BYTES = 4 << 20;

/** What a blob is: a manifest or index by its descriptor, "other" for other JSON, undefined for the rest. */
async function describe(store: Store, digest: Digest): Promise<Descriptor | "other" | undefined> {
  const size = await store.sizeOf(digest);
  if (size === undefined || size > DOCUMENT_BYTES || !(await beginsWithBrace(store, digest))) return undefined;
  return (
    (await unlessBroken(async () => {
      const document = parseDocument(await store.read(digest), `"${digest}"`);
      const { mediaType } = document.kind === "index" ? document.index : document.manifest;
      return { mediaType, digest, size };
    })) ?? "other"
  );
}

async function configOf(
  store: Store,
  digest: Digest,
): Promise<{ readonly digest: Digest; readonly manifest: Descriptor } | undefined> {
  const manifest = await describe(store, digest);
  if (manifest === undefined || manifest === "other") return undefined;
  const document = await read(store, manifest);
  return document?.kind === "manifest" ? { digest: document.manifest.config.digest, manifest } : undefined;
}

/** Most blobs are layers, and large: one byte tells. */
async function beginsWithBrace(store: Store, digest: Digest): Promise<boolean> {
  await using file = await open(await store.pathOf(digest));
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0);
  return buffer.toString("latin1") === "{";
}

async function unlessBroken<T>(body: () => Promise<T>): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

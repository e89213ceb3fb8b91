// One stored layer in its three forms. Whoever asks for a form gets it; whoever asks
// while it is being made waits for the same work.

import { accessSync, chmodSync, chownSync, constants, mkdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, fsPath } from "../core/bytes/byte-path.ts";
import { compressionOf, layerMediaType } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import { NamespaceNeeded } from "../core/system/namespace.ts";
import { forgetOnFailure } from "../core/shared-work.ts";
import { fileOnDisk } from "../core/space.ts";
import { setMtimeNs } from "../core/system/syscall.ts";
import type { ContentSource, Entry, SourcedEntry } from "../layer/entry.ts";
import { bodyOf, contentBytes, LayerIndex } from "../layer/index-file.ts";
import type { AppliedLayer, ApplyRequest, FoundString, PackRequest } from "../layer/jobs/jobs.ts";
import { StackTree } from "../layer/tree/stack-tree.ts";
import { applyComing, applyStored } from "./apply-blob.ts";
import { LayerFiles, type LayerMeta, plainDescriptor, type StoredVariant } from "./layer-files.ts";
import { packBlob } from "./pack-blob.ts";
import type { FetchBlob, LayerPlace } from "./ports.ts";
import type { BlobOptions, LayerBlob, StoredLayer } from "./ref.ts";
import type { RootDirectory } from "./root-directory.ts";

/** The name of a blob's form: what its bytes depend on beside the layer itself. */
export function variantOf(options: BlobOptions): string {
  const { compression, level = "", encoder = "native", maxMtimeNs = "" } = options;
  return [compression, level, encoder, maxMtimeNs].join(":");
}

/** The name of a blob's form that came with a cache and says nothing of how it was made. */
export function foreignVariant(compression: string): string {
  return `foreign ${compression}`;
}

/** Whether a variant's name says how the blob was made. */
export function isForm(variant: string): boolean {
  return variant.split(":").length === 4;
}

export interface DiskLayerOptions {
  readonly place: LayerPlace;
  readonly id: string;
  readonly meta: LayerMeta;
  /** Entries that are still being found (a step's diff). */
  readonly pendingIndex?: Promise<LayerIndex>;
  /** Of an image's layer: the layers it stands on, bottom first. */
  readonly below?: readonly StoredLayer[];
  readonly fetch?: FetchBlob;
}

/** A layer on disk. */
export class DiskLayer implements StoredLayer {
  readonly id: string;
  readonly files: LayerFiles;
  readonly #place: LayerPlace;
  #fetch: FetchBlob | undefined;
  #below: readonly StoredLayer[];
  #meta: LayerMeta;
  #index: Promise<LayerIndex> | undefined;
  #directory: Promise<string> | undefined;
  readonly #blobs = new Map<string, Promise<LayerBlob>>();
  readonly #extracted = new Map<BytePath, ContentSource>();

  constructor(options: DiskLayerOptions) {
    this.id = options.id;
    this.#place = options.place;
    this.#meta = options.meta;
    this.#fetch = options.fetch;
    this.#below = options.below ?? [];
    this.#index = options.pendingIndex;
    this.files = new LayerFiles(options.place.layersDirectory, options.id);
  }

  /** Says where its blob can be had, of one that was met in the store before anybody knew. */
  fetchWith(fetch: FetchBlob, below: readonly StoredLayer[]): void {
    if (this.#fetch !== undefined) return;
    this.#fetch = fetch;
    this.#below = below;
  }

  get createdMs(): number | undefined {
    return this.#meta.createdMs;
  }

  get root(): RootDirectory | undefined {
    return this.#meta.root;
  }

  async index(signal: AbortSignal): Promise<readonly Entry[]> {
    return (await this.#storedIndex(signal)).entries;
  }

  #storedIndex(signal: AbortSignal): Promise<LayerIndex> {
    return (this.#index ??= forgetOnFailure(this.#makeIndex(signal), signal, () => (this.#index = undefined)));
  }

  directory(signal: AbortSignal): Promise<string> {
    return (this.#directory ??= forgetOnFailure(
      this.#makeDirectory(signal),
      signal,
      () => (this.#directory = undefined),
    ));
  }

  hasDirectory(): boolean {
    return this.files.hasDirectory();
  }

  async unpackTo(directory: string, signal: AbortSignal): Promise<void> {
    this.#keep((await this.#apply({ directory }, signal)).index);
  }

  hasBlob(options: BlobOptions): boolean {
    const variant = this.#variantFor(options);
    return variant === "as is" || this.#meta.variants.some((stored) => stored.variant === variant);
  }

  knownBlob(options: BlobOptions): StoredVariant | undefined {
    const variant = this.#variantFor(options);
    return this.#meta.variants.find((stored) => stored.variant === variant || variant === "as is");
  }

  async isHere(): Promise<boolean> {
    if (this.#meta.origin === "image") return true;
    for (const { descriptor } of this.#meta.variants) if (await this.#isWhole(descriptor)) return true;
    // Its index could be made of a blob only.
    return this.files.hasDirectory() && (this.#index !== undefined || this.#hasIndex());
  }

  blob(options: BlobOptions, signal: AbortSignal): Promise<LayerBlob> {
    const variant = this.#variantFor(options);
    let made = this.#blobs.get(variant);
    if (!made) {
      made = forgetOnFailure(this.#makeBlob(variant, options, signal), signal, () => void this.#blobs.delete(variant));
      this.#blobs.set(variant, made);
    }
    return made;
  }

  async look(strings: readonly Uint8Array[], signal: AbortSignal): Promise<readonly FoundString[]> {
    const canRead = this.files.hasDirectory() && this.#place.privileged;
    const content = canRead ? await this.#content(signal) : { blobFile: (await this.#anyBlob(signal)).path };
    return await this.#place.jobs.search({ content, strings }, signal);
  }

  async sources(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, ContentSource>> {
    if (this.files.hasDirectory() && (this.#place.privileged || this.#areReadable(paths))) {
      const root = bytePath(this.files.fsDirectory);
      return new Map(paths.map((path) => [path, { kind: "path", path: `${root}/${path}` }]));
    }
    const missing = paths.filter((path) => !this.#extracted.has(path));
    if (missing.length > 0) await this.#extract(missing, signal);
    const found = new Map<BytePath, ContentSource>();
    for (const path of paths) {
      const source = this.#extracted.get(path);
      if (source) found.set(path, source);
    }
    return found;
  }

  /** Records another form's blob; the files of the layer are rewritten whole. */
  addVariant(variant: StoredVariant): void {
    const same = this.#meta.variants.find((known) => known.variant === variant.variant);
    if (same?.descriptor.digest === variant.descriptor.digest) return;
    const others = this.#meta.variants.filter((known) => known.variant !== variant.variant);
    this.#meta = { ...this.#meta, variants: [...others, variant] };
    this.files.writeMeta(this.#meta);
  }

  #variantFor(options: BlobOptions): string {
    if (this.#meta.origin === "image") return options.force === true ? variantOf(options) : "as is";
    const wanted = variantOf(options);
    const has = (name: string): boolean => this.#meta.variants.some(({ variant }) => variant === name);
    // Made by another program it will do, unless its bytes must be those that would be made here.
    const foreign = foreignVariant(options.compression);
    const isStrict = options.force === true || options.maxMtimeNs !== undefined;
    return !has(wanted) && !isStrict && has(foreign) ? foreign : wanted;
  }

  async #makeIndex(signal: AbortSignal): Promise<LayerIndex> {
    // Who unpacks it finds its index on the way.
    if (this.#directory) await this.#directory.catch(() => undefined);
    const stored = this.files.readIndex();
    if (stored) return stored;
    const { index } = await this.#apply({}, signal);
    this.#keep(index);
    return index;
  }

  async #makeDirectory(signal: AbortSignal): Promise<string> {
    if (this.files.hasDirectory()) return this.files.fsDirectory;
    if (!this.#place.privileged) throw new NamespaceNeeded("unpacking a layer");
    const directory = join(this.#place.workDirectory, randomUUID());
    const [likely] = this.#meta.variants;
    using _space = await this.#place.space.reserve(likely === undefined ? 0 : unpackedBytes(likely));
    const index = this.#meta.origin === "built" ? this.files.readIndexBytes() : undefined;
    const applied = await this.#apply(index === undefined ? { directory } : { directory, index }, signal);
    if (applied.impliedDirectories.length > 0)
      await this.#completeDirectories(directory, applied.impliedDirectories, signal);
    this.#keep(applied.index);
    this.files.adoptDirectory(directory);
    this.#place.space.landed(`layer/${this.id}`, contentBytes(applied.index, fileOnDisk));
    return this.files.fsDirectory;
  }

  /** Applies a blob of it, while it is fetched if it must be. */
  async #apply(wish: Pick<ApplyRequest, "directory" | "index">, signal: AbortSignal): Promise<AppliedLayer> {
    const [first] = this.#meta.variants;
    if (first !== undefined && this.#fetch !== undefined && !(await this.#isWhole(first.descriptor))) {
      const applied = await applyComing(this.#place, this.#fetch, first, wish, signal);
      if (applied !== undefined) return applied;
    }
    const { path, variant } = await this.#anyBlob(signal);
    return await applyStored(this.#place, path, variant, wish, signal);
  }

  /** Directories that the tar does not list must not hide the owner and mode of those below them. */
  async #completeDirectories(directory: string, paths: readonly BytePath[], signal: AbortSignal): Promise<void> {
    const below = await Promise.all(this.#below.map((layer) => layer.directory(signal)));
    const stack = new StackTree(below.toReversed(), this.#place.overlayXattrs);
    const root = bytePath(directory);
    // Children first: what is done to a child changes its parent's time.
    for (const path of paths.toReversed()) {
      const entry = stack.lstat(path);
      if (entry?.type !== "dir") continue;
      const place = `${root}/${path}`;
      chownSync(fsPath(place), entry.uid, entry.gid);
      chmodSync(fsPath(place), entry.mode);
      setMtimeNs(place, entry.mtimeNs);
    }
  }

  async #makeBlob(variant: string, options: BlobOptions, signal: AbortSignal): Promise<LayerBlob> {
    const known = this.#meta.variants.find((stored) => stored.variant === variant || variant === "as is");
    if (known && (await this.#isThere(known, signal))) return known;
    if (this.#meta.origin === "image") return await this.#transcode(variant, options, signal);
    const packed = await this.#pack(options, signal);
    const made: StoredVariant = { ...packed, variant };
    this.addVariant(made);
    return made;
  }

  async #pack(options: BlobOptions, signal: AbortSignal): Promise<LayerBlob> {
    const content = await this.#content(signal);
    const packed = await packBlob(this.#place, this.id, content, options, signal);
    const isNews = !("index" in content) || packed.index.bytes !== content.index;
    if (options.maxMtimeNs === undefined && isNews) this.#keep(packed.index);
    return packed.blob;
  }

  async #content(signal: AbortSignal): Promise<PackRequest["content"]> {
    const index = await this.#storedIndex(signal);
    if (this.files.hasDirectory() && this.#place.privileged)
      return { index: index.bytes, directory: bytePath(this.files.fsDirectory) };
    const { entries } = index;
    const files = entries.filter((entry) => entry.type === "file").map((entry) => entry.path);
    const sources = await this.sources(files, signal);
    return entries.map((entry): SourcedEntry => {
      const source = entry.type === "file" ? sources.get(entry.path) : undefined;
      return source === undefined ? { entry } : { entry, source };
    });
  }

  /** The same tar in another compression: its diffID stays. */
  async #transcode(variant: string, options: BlobOptions, signal: AbortSignal): Promise<LayerBlob> {
    const from = await this.#anyBlob(signal);
    using _space = await this.#place.space.reserve(unpackedBytes(from.variant));
    await using writer = await this.#place.blobs.writer(signal);
    const made = await this.#place.jobs.transcode(
      {
        blobFile: from.path,
        from: compressionOf(from.variant.descriptor.mediaType) ?? "gzip",
        diffId: from.variant.diffId,
        to: options,
        outFile: writer.path,
      },
      signal,
    );
    await writer.adopt(made);
    const stored: StoredVariant = {
      descriptor: plainDescriptor(layerMediaType(options.compression, "oci"), made.digest, made.size),
      diffId: from.variant.diffId,
      uncompressedSize: made.uncompressedSize,
      variant,
    };
    this.addVariant(stored);
    return stored;
  }

  /** A blob that is in the store, fetched if it must be. */
  async #anyBlob(signal: AbortSignal): Promise<{ path: string; variant: StoredVariant }> {
    for (const variant of this.#meta.variants) {
      if (await this.#isThere(variant, signal))
        return { path: await this.#place.blobs.pathOf(variant.descriptor.digest), variant };
    }
    if (this.files.hasDirectory() && !this.#place.privileged) throw new NamespaceNeeded("reading a layer's files");
    throw new BuildError("STORE", `the layer ${this.id} has lost its blob`, {
      hint: "build once with --no-cache, or pull the base image again",
    });
  }

  async #isThere(variant: StoredVariant, signal: AbortSignal): Promise<boolean> {
    if (await this.#isWhole(variant.descriptor)) return true;
    if (this.#fetch === undefined) return false;
    await this.#fetch(variant.descriptor, signal);
    return true;
  }

  /** A blob that was cut short is none. */
  async #isWhole({ digest, size }: LayerBlob["descriptor"]): Promise<boolean> {
    return (await this.#place.blobs.sizeOf(digest)) === size;
  }

  #keep(index: LayerIndex): void {
    this.#index = Promise.resolve(index);
    this.files.writeIndex(index);
  }

  /** Whether the file of the index is whole; whoever asks has a use for it. */
  #hasIndex(): boolean {
    const bytes = this.files.readIndexBytes();
    if (bytes === undefined || bodyOf(bytes) === undefined) return false;
    this.#index = Promise.resolve(new LayerIndex(bytes));
    return true;
  }

  #areReadable(paths: readonly BytePath[]): boolean {
    const root = bytePath(this.files.fsDirectory);
    try {
      for (const path of paths) accessSync(fsPath(`${root}/${path}`), constants.R_OK);
      return true;
    } catch {
      return false; // some file belongs to another id of the namespace
    }
  }

  async #extract(paths: readonly BytePath[], signal: AbortSignal): Promise<void> {
    const { path: blobFile, variant } = await this.#anyBlob(signal);
    const directory = join(this.#place.workDirectory, randomUUID());
    using _space = await this.#place.space.reserve(unpackedBytes(variant));
    mkdirSync(directory);
    await applyStored(this.#place, blobFile, variant, { directory, only: paths }, signal);
    const root = bytePath(directory);
    for (const path of paths) this.#extracted.set(path, { kind: "path", path: `${root}/${path}` });
  }
}

/** What the tar in a blob takes, where it is known; else a guess, which the watch on growing files sets right. */
function unpackedBytes({ uncompressedSize, descriptor }: LayerBlob): number {
  return uncompressedSize > 0 ? uncompressedSize : GUESSED_RATIO * descriptor.size;
}

const GUESSED_RATIO = 2;

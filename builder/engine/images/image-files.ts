// The files of an image, without unpacking it: the entries of its layers, read from the blobs once and then kept by
// diff_id, and single files out of a blob.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath } from "../../core/bytes/byte-path.ts";
import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { hexOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ImageConfig } from "../../core/image/image-config.ts";
import type { ContentSource, Entry } from "../../layer/entry.ts";
import { decodeIndex, encodeIndex } from "../../layer/index-file.ts";
import { RootfsView } from "../../layer/view/view.ts";
import type { PlatformImage } from "../../open-image.ts";
import { BoundedFolder } from "../../store/bounded-folder.ts";
import { blaming } from "../../transport/copy/source-damage.ts";
import { inParallel } from "../../transport/pull.ts";

/** Indexes that are kept. */
const INDEX_FILES = 1000;
const INDEX_BYTES = 512 << 20;
/** Layers read at the same time. */
const LAYERS_AT_ONCE = 2;

/** The layers of one image. Dispose it to remove what was taken out of them. */
export class ImageFiles implements AsyncDisposable {
  /** Bottom first. */
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
  readonly config: ImageConfig;
  readonly #image: PlatformImage;
  readonly #kept: BoundedFolder;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<number, Promise<readonly Entry[]>>();
  readonly #undo = new AsyncDisposableStack();

  /** `root` is the store's: indexes are kept there. Throws `ARCHIVE_INVALID` for an image that contradicts itself, `UNSUPPORTED` for what is none. */
  constructor(image: PlatformImage, root: string, signal: AbortSignal) {
    const { manifest } = image.manifest;
    const { name } = image.opened;
    if (image.config === undefined)
      throw new BuildError(
        "UNSUPPORTED",
        `${name} is no container image: its config is "${manifest.config.mediaType}"`,
      );
    this.config = image.config.config;
    const diffIds = this.config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      throw new BuildError(
        "ARCHIVE_INVALID",
        `${name}: the manifest has ${manifest.layers.length} layers, the config ${diffIds.length} diff_ids`,
      );
    }
    this.layers = diffIds.map((diffId, at) => ({ diffId, descriptor: manifest.layers[at] as Descriptor })); // as many
    this.#image = image;
    this.#signal = signal;
    const own = join(root, "tsbuild");
    this.#kept = new BoundedFolder({
      path: join(own, "indexes"),
      maxFiles: INDEX_FILES,
      maxBytes: INDEX_BYTES,
      temporaryDirectory: join(own, "tmp"),
    });
  }

  /** The entries of one layer, counted from 0 at the bottom. Throws `ARCHIVE_INVALID` when its bytes are not those of the diff_id. */
  entries(layer: number): Promise<readonly Entry[]> {
    const known = this.#entries.get(layer) ?? this.#read(layer);
    this.#entries.set(layer, known);
    return known;
  }

  /** The entries of all layers, bottom first. */
  async allEntries(): Promise<readonly (readonly Entry[])[]> {
    const all: (readonly Entry[])[] = [];
    await inParallel([...this.layers.keys()], LAYERS_AT_ONCE, async (layer) => {
      all[layer] = await this.entries(layer);
    });
    return all;
  }

  /** The merged tree, or that of one layer by itself. */
  async view(layer?: number): Promise<RootfsView> {
    const wanted = layer === undefined ? [...this.layers.keys()] : [layer];
    const all = layer === undefined ? await this.allEntries() : [await this.entries(layer)];
    return new RootfsView(
      wanted.map((number, at) => ({
        entries: all[at] ?? [],
        sources: (paths) => this.#extract(number, paths),
      })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }

  async #read(layer: number): Promise<readonly Entry[]> {
    const { diffId } = this.#layer(layer);
    const kept = await this.#kept.read(hexOf(diffId));
    const known = kept && decodeIndex(kept);
    if (known !== undefined) return known;
    const { entries } = await this.#apply(layer, {});
    await this.#kept.write(hexOf(diffId), encodeIndex(entries));
    return entries;
  }

  async #extract(layer: number, paths: readonly BytePath[]): Promise<ReadonlyMap<BytePath, ContentSource>> {
    const folder = await mkdtemp(join(tmpdir(), "tsbuild-files-"));
    this.#undo.defer(() => rm(folder, { recursive: true, force: true }));
    const directory = join(folder, "layer");
    await this.#apply(layer, { directory, only: paths });
    return new Map(paths.map((path) => [path, { kind: "path", path: `${bytePath(directory)}/${path}` }]));
  }

  async #apply(
    layer: number,
    want: { readonly directory?: string; readonly only?: readonly BytePath[] },
  ): Promise<{ readonly entries: readonly Entry[] }> {
    const { applyFrom } = await import("../../layer/apply.ts");
    const { descriptor, diffId } = this.#layer(layer);
    const signal = this.#signal;
    const { source, name } = this.#image.opened;
    try {
      return await blaming(source, descriptor, signal, () =>
        applyFrom(
          () => source.blob(descriptor, signal),
          { diffId, overlayXattrs: "user", ...want },
          () => signal.throwIfAborted(),
        ),
      );
    } catch (error) {
      if (!(error instanceof BuildError) || error.code !== "ARCHIVE_INVALID") throw error;
      const message = `layer ${layer + 1} (${descriptor.digest}) of ${name}: ${error.message}`;
      throw new BuildError(error.code, message, { cause: error, hint: error.hint });
    }
  }

  #layer(layer: number): { readonly descriptor: Descriptor; readonly diffId: Digest } {
    const found = this.layers[layer];
    if (found !== undefined) return found;
    throw new BuildError(
      "USAGE",
      `there is no layer ${layer + 1}: ${this.#image.opened.name} has ${this.layers.length}`,
    );
  }
}

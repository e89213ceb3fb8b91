// The layers of one store: finds them by id and makes new ones from a base image's
// blob, from entries (COPY, ADD), or from the upper directory of a finished RUN.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import { fileOnDisk, onDisk } from "../core/space.ts";
import type { SourcedEntry } from "../layer/entry.ts";
import { contentBytes } from "../layer/index-file.ts";
import type { LayerDirectory, WrittenLayer } from "../layer/jobs/jobs.ts";
import { LayerFiles, type LayerMeta } from "./layer-files.ts";
import { packBlob } from "./pack-blob.ts";
import type { FetchBlob, LayerPlace } from "./ports.ts";
import type { BlobOptions, LayerBlob, StoredLayer } from "./ref.ts";
import { readRoot } from "./root-directory.ts";
import type { Frozen } from "./snapshotter.ts";
import { DiskLayer, variantOf } from "./stored-layer.ts";
import { alterTwin, sizeOf, takeTwin } from "./twin.ts";

/** The layers below one root. */
export class LayerStore {
  readonly place: LayerPlace;
  readonly #known = new Map<string, DiskLayer>();

  constructor(place: LayerPlace) {
    this.place = place;
    mkdirSync(place.layersDirectory, { recursive: true });
  }

  /** A stored layer, or undefined when it is not (or no longer) there. */
  get(id: string): StoredLayer | undefined {
    const known = this.#known.get(id);
    if (known) return known;
    this.place.space.hold(`layer/${id}`);
    const meta = new LayerFiles(this.place.layersDirectory, id).readMeta();
    return meta && this.#add(new DiskLayer({ place: this.place, id, meta }));
  }

  /**
   * A layer of an image, on the layers `below` it: named by its chain, so images share it; what a tar does not say of a
   * directory is said by the layers below. Its blob is fetched when first needed.
   */
  ofImage(blob: LayerBlob, below: readonly StoredLayer[], fetch: FetchBlob): StoredLayer {
    const id = LayerStore.imageLayerId(below.at(-1)?.id, blob.diffId);
    const known = this.#known.get(id);
    const layer = known ?? this.#add(new DiskLayer({ place: this.place, id, meta: this.#imageMeta(id), below, fetch }));
    layer.fetchWith(fetch, below);
    layer.addVariant({ ...blob, variant: `as is ${blob.descriptor.digest}` });
    return layer;
  }

  /**
   * A layer of a step's result that lies in a cache elsewhere: made at `createdMs`, in the form that `variant` names
   * (stored-layer.ts). Its blob is fetched when first needed.
   */
  ofCache(
    blob: LayerBlob,
    { variant, createdMs }: { readonly variant: string; readonly createdMs: number },
    below: readonly StoredLayer[],
    fetch: FetchBlob,
  ): StoredLayer {
    const id = hexOf(digestOf(`cached ${below.at(-1)?.id ?? ""} ${blob.diffId} ${createdMs}`));
    let layer = this.#known.get(id);
    if (layer === undefined) {
      const meta = this.#heldMeta(id) ?? { origin: "built", ofCache: true, createdMs, variants: [] };
      layer = this.#add(new DiskLayer({ place: this.place, id, meta, below, fetch }));
    }
    layer.fetchWith(fetch, below);
    layer.addVariant({ ...blob, variant });
    return layer;
  }

  /** The id of an image's layer on another one. */
  static imageLayerId(below: string | undefined, diffId: Digest): string {
    return hexOf(digestOf(`${below ?? ""} ${diffId}`));
  }

  #imageMeta(id: string): LayerMeta {
    return this.#heldMeta(id) ?? { origin: "image", variants: [] };
  }

  #heldMeta(id: string): LayerMeta | undefined {
    this.place.space.hold(`layer/${id}`);
    return new LayerFiles(this.place.layersDirectory, id).readMeta();
  }

  /** A new layer of the given entries: as a directory when a RUN will stand on it, else as a blob of the wanted form. */
  async fromEntries(
    entries: readonly SourcedEntry[],
    want: {
      readonly directory: boolean;
      readonly hardlinkSources: boolean;
      /** Id of a layer that may have many of the entries already; it need not be there. */
      readonly twin?: string | undefined;
      readonly blob: BlobOptions;
      readonly createdMs: number;
    },
    signal: AbortSignal,
  ): Promise<StoredLayer> {
    const id = newId();
    const { createdMs } = want;
    this.place.space.hold(`layer/${id}`);
    if (want.directory && this.place.privileged) {
      const directory = join(this.place.workDirectory, randomUUID());
      const taken = want.twin === undefined ? undefined : await takeTwin(this.place, want.twin, entries, directory);
      using _space = await this.place.space.reserve(sizeOf(taken === undefined ? entries : taken.change.added));
      const { index, ownBytes } = await (taken === undefined
        ? this.#write(entries, directory, want, signal)
        : alterTwin(this.place, taken, signal));
      const layer = new DiskLayer({
        place: this.place,
        id,
        meta: { origin: "built", createdMs, variants: [] },
        pendingIndex: Promise.resolve(index),
      });
      const claim = this.#claim(id);
      layer.files.adoptDirectory(directory);
      layer.files.writeIndex(index);
      layer.files.writeMeta({ origin: "built", createdMs, variants: [] });
      claim.drop();
      this.place.space.landed(`layer/${id}`, ownBytes + onDisk(index.bytes.length));
      return this.#add(layer);
    }
    const packed = await packBlob(this.place, id, entries, want.blob, signal);
    const meta = {
      origin: "built" as const,
      createdMs,
      variants: [{ ...packed.blob, variant: variantOf(want.blob) }],
    };
    const layer = new DiskLayer({ place: this.place, id, meta, pendingIndex: Promise.resolve(packed.index) });
    layer.files.writeIndex(packed.index);
    layer.files.writeMeta(meta);
    this.place.space.landed(`layer/${id}`, 0);
    return this.#add(layer);
  }

  /**
   * Takes over what a step changed: its directory moves into the store at once, its entries are found in the background.
   * A build that stops meanwhile gives it a moment: the step is done, and need not be done again.
   */
  fromFrozen(frozen: Frozen, createdMs: number, signal: AbortSignal): StoredLayer {
    const id = newId();
    const files = new LayerFiles(this.place.layersDirectory, id);
    this.place.space.hold(`layer/${id}`);
    const claim = this.#claim(id);
    files.adoptDirectory(frozen.directory);
    const meta = { origin: "built" as const, createdMs, root: readRoot(files.fsDirectory), variants: [] };
    const pendingIndex = frozen.index(files.fsDirectory, patient(signal)).then((index) => {
      files.writeIndex(index);
      files.writeMeta(meta);
      claim.drop();
      this.place.space.landed(`layer/${id}`, contentBytes(index, fileOnDisk));
      return index;
    });
    // Whoever asks for the index sees the error; the files stay while steps may stand on them, and go with the claim.
    pendingIndex.catch(() => undefined);
    return this.#add(new DiskLayer({ place: this.place, id, meta, pendingIndex }));
  }

  /** Removes a layer that nothing names any more. Throws where its files are of ids that this process lacks. */
  drop(id: string): void {
    this.#known.delete(id);
    new LayerFiles(this.place.layersDirectory, id).remove();
  }

  /** An empty folder of this process for somebody's files, on the layers' file system; gone when disposed. */
  scratch(): AsyncDisposable & { readonly path: string } {
    const place = this.scratchPlace();
    mkdirSync(place.path, { mode: 0o700 });
    return place;
  }

  /** The same for one that few need: whoever does makes it, for nobody else but this user. */
  scratchPlace(): AsyncDisposable & { readonly path: string } {
    const path = join(this.place.workDirectory, randomUUID());
    return {
      path,
      async [Symbol.asyncDispose]() {
        if (existsSync(path)) await rm(path, { recursive: true, force: true });
      },
    };
  }

  /** Entries as a new directory, with files that the twin has. */
  async #write(
    entries: readonly SourcedEntry[],
    directory: string,
    want: { readonly hardlinkSources: boolean; readonly twin?: string | undefined },
    signal: AbortSignal,
  ): Promise<WrittenLayer> {
    const { overlayXattrs, jobs } = this.place;
    const { hardlinkSources } = want;
    const twin = want.twin === undefined ? undefined : this.#directoryOf(want.twin);
    return await jobs.write(
      { entries, directory, overlayXattrs, hardlinkSources, ...(twin === undefined ? {} : { twin }) },
      signal,
    );
  }

  /** A layer's files, where they are there as a directory. */
  #directoryOf(id: string): LayerDirectory | undefined {
    this.place.space.hold(`layer/${id}`);
    const files = new LayerFiles(this.place.layersDirectory, id);
    const index = files.hasDirectory() ? files.readIndexBytes() : undefined;
    return index && { index, directory: bytePath(files.fsDirectory) };
  }

  /** Notes that a layer is being put together, so that a dead process's half of one can be found. */
  #claim(id: string): { drop(): void } {
    const file = join(this.place.workDirectory, `${CLAIM}${id}`);
    writeFileSync(file, "");
    return { drop: () => rmSync(file, { force: true }) };
  }

  #add(layer: DiskLayer): DiskLayer {
    this.#known.set(layer.id, layer);
    return layer;
  }
}

/** Removes the layers that a process with this work directory has begun and not finished. */
export function dropUnfinished(workDirectory: string, layersDirectory: string): void {
  for (const name of readNames(workDirectory)) {
    if (!name.startsWith(CLAIM)) continue;
    const files = new LayerFiles(layersDirectory, name.slice(CLAIM.length));
    if (!files.exists()) files.remove();
  }
}

const CLAIM = "claim-";

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

const PATIENCE_MS = 1000;

/** A signal that aborts a moment after the given one. */
function patient(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  const stop = (): void => void setTimeout(() => late.abort(signal.reason), PATIENCE_MS).unref();
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return late.signal;
}

function newId(): string {
  return randomUUID().replaceAll("-", "");
}

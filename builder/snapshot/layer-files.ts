// The files of one stored layer: `<layers>/<id>/` holds
//   meta.json   its blobs and identities; its presence makes the layer exist
//   index       its entries (layer/index-file.ts)
//   fs/         its directory in overlay form, if there is one
// Each appears by rename, so a reader sees a file whole or not at all.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Descriptor } from "../core/image/descriptor.ts";
import * as v from "valibot";
import type { Digest } from "../core/digest.ts";
import { isDigest } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { LayerIndex } from "../layer/index-file.ts";
import type { LayerBlob } from "./ref.ts";
import type { RootDirectory } from "./root-directory.ts";

/** A blob of the layer, and which form it is (`variantOf`). */
export interface StoredVariant extends LayerBlob {
  readonly variant: string;
}

export interface LayerMeta {
  /** "image": came with an image, its diffID is not ours to change. "built": a result of a step. */
  readonly origin: "image" | "built";
  /** A result that lay in a cache elsewhere: its bytes come when somebody wants them. */
  readonly ofCache?: true;
  /** When it was built, in ms since the epoch. */
  readonly createdMs?: number;
  /** As a step left the root directory. */
  readonly root?: RootDirectory;
  readonly variants: readonly StoredVariant[];
}

/** Reads and writes the files of one layer. */
export class LayerFiles {
  readonly directory: string;

  constructor(layersDirectory: string, id: string) {
    this.directory = join(layersDirectory, id);
  }

  get fsDirectory(): string {
    return join(this.directory, "fs");
  }

  exists(): boolean {
    return existsSync(join(this.directory, "meta.json"));
  }

  hasDirectory(): boolean {
    return existsSync(this.fsDirectory);
  }

  /** What the layer says of itself; undefined when there is no such layer, or what is there is damaged: then it is made again. */
  readMeta(): LayerMeta | undefined {
    try {
      return parseMeta(readFileSync(join(this.directory, "meta.json"), "utf8"));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw new BuildError("STORE", `the stored layer in "${this.directory}" cannot be read`, {
        cause: error,
        hint: "build once with --no-cache",
      });
    }
  }

  writeMeta(meta: LayerMeta): void {
    this.#replace("meta.json", JSON.stringify(meta));
  }

  /** The index, or undefined when none is stored or it is damaged (it can be made again). */
  readIndex(): LayerIndex | undefined {
    const bytes = this.readIndexBytes();
    const index = bytes && new LayerIndex(bytes);
    return index?.isWhole === true ? index : undefined;
  }

  /** The file of the index as it is, whole or not. */
  readIndexBytes(): Uint8Array | undefined {
    try {
      return readFileSync(join(this.directory, "index"));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  writeIndex({ bytes }: LayerIndex): void {
    this.#replace("index", bytes);
  }

  /** Puts a finished directory in place; when another process was faster its directory stays and ours goes. */
  adoptDirectory(from: string): void {
    mkdirSync(this.directory, { recursive: true });
    try {
      renameSync(from, this.fsDirectory);
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
      rmSync(from, { recursive: true, force: true });
    }
  }

  /** Removes all traces of a layer that did not come to be. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #replace(name: string, data: string | Uint8Array): void {
    mkdirSync(this.directory, { recursive: true });
    const temporary = join(this.directory, `.${name}.${randomUUID()}`);
    try {
      writeFileSync(temporary, data);
      renameSync(temporary, join(this.directory, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
}

/** Reads a `meta.json`; undefined when it is not one. */
export function parseMeta(text: string): LayerMeta | undefined {
  try {
    const meta: unknown = JSON.parse(text);
    // The rest is what this version wrote.
    return v.is(MetaSchema, meta) ? meta : undefined;
  } catch {
    return undefined;
  }
}

const DigestSchema = v.custom<Digest>((value) => typeof value === "string" && isDigest(value));
const MetaSchema = v.looseObject({
  origin: v.picklist(["image", "built"]),
  variants: v.array(
    v.looseObject({
      variant: v.string(),
      uncompressedSize: v.number(),
      diffId: DigestSchema,
      descriptor: v.looseObject({ mediaType: v.string(), digest: DigestSchema, size: v.number() }),
    }),
  ),
});

/** A descriptor without what only a manifest says. */
export function plainDescriptor(mediaType: string, digest: Digest, size: number): Descriptor {
  return { mediaType, digest, size };
}

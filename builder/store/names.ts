// The names of images in a layout's index.json. Other tools (skopeo, umoci) write the
// same file: entries and fields that are not ours stay as they are.

import { join } from "node:path";
import * as v from "valibot";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { isDigest } from "../core/digest.ts";
import type { ErrorCode } from "../core/errors.ts";
import { BuildError } from "../core/errors.ts";
import { readSmallFile } from "../core/system/small-file.ts";
import { appear, explained } from "./layout.ts";
import type { ImageNames } from "./store.ts";

/** The reference or tag of a manifest in a layout (image-spec, annotations.md). */
export const REF_NAME = "org.opencontainers.image.ref.name";
/** The full reference, as containerd and Docker write and read it. */
export const CONTAINERD_NAME = "io.containerd.image.name";

const EntrySchema = v.looseObject({
  mediaType: v.string(),
  digest: v.string(),
  size: v.number(),
  annotations: v.exactOptional(v.record(v.string(), v.string())),
  platform: v.exactOptional(
    v.looseObject({
      architecture: v.string(),
      os: v.string(),
      variant: v.exactOptional(v.string()),
      "os.version": v.exactOptional(v.string()),
    }),
  ),
});
const IndexSchema = v.looseObject({ schemaVersion: v.literal(2), manifests: v.array(EntrySchema) });

type Entry = v.InferOutput<typeof EntrySchema>;
type Index = v.InferOutput<typeof IndexSchema>;

/** One entry to be set: it replaces those with the same name. */
export interface NamedEntry {
  readonly descriptor: Descriptor;
  /** For `org.opencontainers.image.ref.name`; absent leaves the entry without a name. */
  readonly refName?: string;
  /** For `io.containerd.image.name`. */
  readonly fullName?: string;
}

/** The names in `<layoutPath>/index.json`; changes hold a lock on `oci-layout`. */
export class IndexNames implements ImageNames {
  readonly #layoutPath: string;
  readonly #temporary: string;
  readonly #code: ErrorCode;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(layoutPath: string, temporaryDirectory: string, code: ErrorCode = "STORE") {
    this.#layoutPath = layoutPath;
    this.#temporary = temporaryDirectory;
    this.#code = code;
  }

  async resolve(name: string): Promise<Descriptor | undefined> {
    const { manifests } = await this.#read();
    const found = manifests.findLast(
      (entry) => entry.annotations?.[CONTAINERD_NAME] === name || entry.annotations?.[REF_NAME] === name,
    );
    return found === undefined ? undefined : this.#descriptorOf(found);
  }

  async list(): Promise<readonly { readonly name: string; readonly descriptor: Descriptor }[]> {
    const { manifests } = await this.#read();
    return manifests.flatMap((entry) => {
      const name = entry.annotations?.[CONTAINERD_NAME] ?? entry.annotations?.[REF_NAME];
      return name === undefined ? [] : [{ name, descriptor: this.#descriptorOf(entry) }];
    });
  }

  async tag(name: string, descriptor: Descriptor): Promise<void> {
    await this.set([{ descriptor, refName: name, fullName: name }]);
  }

  async untag(name: string): Promise<boolean> {
    return await this.#change((index) => {
      const kept = index.manifests.filter(
        (entry) => entry.annotations?.[CONTAINERD_NAME] !== name && entry.annotations?.[REF_NAME] !== name,
      );
      if (kept.length === index.manifests.length) return { index, result: false };
      return { index: { ...index, manifests: kept }, result: true };
    });
  }

  async unnamed(): Promise<readonly Descriptor[]> {
    const { manifests } = await this.#read();
    return manifests.filter(isNameless).map((entry) => this.#descriptorOf(entry));
  }

  async keep(descriptor: Descriptor): Promise<void> {
    await this.set([{ descriptor }]);
  }

  async drop(digest: Digest): Promise<boolean> {
    return await this.#change((index) => {
      const kept = index.manifests.filter((entry) => entry.digest !== digest || !isNameless(entry));
      return { index: { ...index, manifests: kept }, result: kept.length !== index.manifests.length };
    });
  }

  /** Sets several entries in one change. An entry without a name is added unless its digest is there. */
  async set(entries: readonly NamedEntry[]): Promise<void> {
    await this.#change((index) => {
      const there = new Set(index.manifests.map((entry) => JSON.stringify(entry)));
      if (entries.every((entry) => there.has(JSON.stringify(entryOf(entry))))) return { index, result: undefined };
      const isReplaced = (old: Entry): boolean => entries.some((entry) => sameName(old, entry));
      const kept = index.manifests.filter((old) => !isReplaced(old));
      const isKept = (entry: NamedEntry): boolean =>
        entry.refName === undefined && kept.some((old) => old.digest === entry.descriptor.digest);
      const added = entries.filter((entry) => !isKept(entry)).map(entryOf);
      return { index: { ...index, manifests: [...kept, ...added] }, result: undefined };
    });
  }

  async #read(): Promise<Index> {
    const path = join(this.#layoutPath, "index.json");
    const bytes = await explained(this.#layoutPath, this.#code, () => readSmallFile(path));
    try {
      return v.parse(IndexSchema, JSON.parse(bytes.toString("utf8")));
    } catch (error) {
      throw new BuildError(
        this.#code,
        `"${path}" is not an image index: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error, hint: this.#code === "STORE" ? "`tsbuild fsck --repair` writes a new one" : undefined },
      );
    }
  }

  // In this process one change after the other; between processes the lock, for which a change that is none does not wait.
  async #change<T>(edit: (index: Index) => { readonly index: Index; readonly result: T }): Promise<T> {
    const turn = this.#queue.then(() =>
      explained(this.#layoutPath, this.#code, async () => {
        const before = await this.#read();
        const tried = edit(before);
        if (tried.index === before) return tried.result;
        const { takeLock } = await import("./lock.ts");
        await using _lock = await takeLock(join(this.#layoutPath, "oci-layout"));
        const { index, result } = edit(await this.#read());
        await appear(join(this.#layoutPath, "index.json"), JSON.stringify(index), this.#temporary, "replace");
        return result;
      }),
    );
    this.#queue = turn.catch(() => undefined);
    return await turn;
  }

  #descriptorOf(entry: Entry): Descriptor {
    const { mediaType, digest, size, platform, annotations } = entry;
    if (!isDigest(digest))
      throw new BuildError(
        this.#code,
        `"${this.#layoutPath}/index.json" names "${digest}", which is not a sha256 digest`,
      );
    const { [REF_NAME]: _ref, [CONTAINERD_NAME]: _full, ...others } = annotations ?? {};
    return {
      mediaType,
      digest,
      size,
      ...(platform === undefined
        ? {}
        : {
            platform: {
              os: platform.os,
              architecture: platform.architecture,
              ...(platform.variant === undefined ? {} : { variant: platform.variant }),
              ...(platform["os.version"] === undefined ? {} : { osVersion: platform["os.version"] }),
            },
          }),
      ...(Object.keys(others).length === 0 ? {} : { annotations: others }),
    };
  }
}

function isNameless({ annotations }: Entry): boolean {
  return annotations?.[CONTAINERD_NAME] === undefined && annotations?.[REF_NAME] === undefined;
}

// A full name decides where both have one; else the short one does.
function sameName(old: Entry, entry: NamedEntry): boolean {
  const full = old.annotations?.[CONTAINERD_NAME];
  if (full !== undefined && full === entry.fullName) return true;
  const short = old.annotations?.[REF_NAME];
  return short !== undefined && short === entry.refName;
}

/** An index.json entry of a descriptor with its names, fields in the order Go marshals them. */
export function entryOf({ descriptor, refName, fullName }: NamedEntry): Entry {
  const annotations: Record<string, string> = {
    ...descriptor.annotations,
    ...(fullName === undefined ? {} : { [CONTAINERD_NAME]: fullName }),
    ...(refName === undefined ? {} : { [REF_NAME]: refName }),
  };
  const sorted = Object.fromEntries(Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)));
  const platform = descriptor.platform;
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(Object.keys(sorted).length === 0 ? {} : { annotations: sorted }),
    ...(platform === undefined
      ? {}
      : {
          platform: {
            architecture: platform.architecture,
            os: platform.os,
            ...(platform.osVersion === undefined ? {} : { "os.version": platform.osVersion }),
            ...(platform.variant === undefined ? {} : { variant: platform.variant }),
          },
        }),
  };
}

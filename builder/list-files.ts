// Looking at the files of an image: which there are, and what is in one. Paths are resolved as a process in the image
// would see them: links are followed, and none leads out of the image.

import { createReadStream } from "node:fs";
import type { BytePath } from "./core/bytes/byte-path.ts";
import { baseOf, bytePath, compareBytes, displayPath, fsPath, joinBytes, parentOf } from "./core/bytes/byte-path.ts";
import { BuildError } from "./core/errors.ts";
import { ImageFiles } from "./engine/images/image-files.ts";
import type { Entry } from "./layer/entry.ts";
import type { RootfsView } from "./layer/view/view.ts";
import type { PlatformImage } from "./open-image.ts";

export interface ListRequest {
  /** Text, absolute or not: it begins at the image's root. */
  readonly path: string;
  readonly recursive: boolean;
  /** Follow a link at the end of the path to a directory. */
  readonly followLast: boolean;
  /** Only what this layer holds, counted from 1 at the bottom; with what it removes. */
  readonly layer: number | undefined;
}

/** A listed entry. */
export interface ListedFile {
  /** Relative to the listed directory; of a listed file its path as it was asked for. */
  readonly name: BytePath;
  /** A whiteout only where one layer is listed. */
  readonly entry: Entry;
  /** A directory of the listed layer that hides all that lower layers have in it. */
  readonly isOpaque: boolean;
}

/** Lists a directory, or a file. `root` is the store's. Throws `INPUT_MISSING` when there is no such path. */
export async function listFiles(
  image: PlatformImage,
  request: ListRequest,
  root: string,
  signal: AbortSignal,
): Promise<ListedFile[]> {
  await using files = new ImageFiles(image, root, signal);
  const layer = request.layer === undefined ? undefined : request.layer - 1;
  const view = await files.view(layer);
  const markers = new Markers(layer === undefined ? [] : await files.entries(layer));
  const path = lookUp(view, request.path, request.followLast, placeName(image, request.layer));
  const isOpaque = false;
  if (view.lstat(path)?.type !== "dir") return [{ name: bytePath(request.path), entry: entryAt(view, path), isOpaque }];
  const listed: ListedFile[] = [];
  const visit = (directory: BytePath, prefix: BytePath): void => {
    const there = view.list(directory).map((name) => entryAt(view, joinBytes(directory, name)));
    const entries = [...there, ...markers.removedFrom(directory)];
    for (const entry of entries.sort((a, b) => compareBytes(a.path, b.path))) {
      const name = joinBytes(prefix, baseOf(entry.path));
      listed.push({ name, entry, isOpaque: markers.isOpaque(entry.path) });
      if (request.recursive && entry.type === "dir") visit(entry.path, name);
    }
  };
  visit(path, "");
  return listed;
}

/** What a layer takes away, by the directory that loses it. */
class Markers {
  readonly #removed: ReadonlyMap<BytePath, readonly Entry[]>;
  readonly #opaque: ReadonlySet<BytePath>;

  constructor(entries: readonly Entry[]) {
    this.#removed = Map.groupBy(
      entries.filter(({ type }) => type === "whiteout"),
      ({ path }) => parentOf(path),
    );
    this.#opaque = new Set(entries.filter(({ type }) => type === "opaque").map(({ path }) => path));
  }

  removedFrom(directory: BytePath): readonly Entry[] {
    return this.#removed.get(directory) ?? [];
  }

  isOpaque(path: BytePath): boolean {
    return this.#opaque.has(path);
  }
}

/** The bytes of a file of the image. Throws `INPUT_MISSING` when there is none, `USAGE` when it is no regular file. */
export async function* readFileOf(
  image: PlatformImage,
  path: string,
  root: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  await using files = new ImageFiles(image, root, signal);
  const view = await files.view();
  const found = lookUp(view, path, true, image.opened.name);
  const entry = entryAt(view, found);
  if (entry.type !== "file")
    throw new BuildError("USAGE", `"${path}" in ${image.opened.name} is no file but ${KINDS[entry.type]}`);
  const source = (await view.sources([found], signal)).get(found);
  if (source === undefined) throw new BuildError("INTERNAL", `the content of "${path}" was not found`);
  if (source.kind === "bytes") yield source.bytes;
  else yield* createReadStream(fsPath(source.path), { highWaterMark: 1 << 20, signal }) as AsyncIterable<Buffer>; // without an encoding it gives buffers
}

const KINDS: Readonly<Record<Entry["type"], string>> = {
  file: "a file",
  dir: "a directory",
  symlink: "a link",
  hardlink: "a link",
  char: "a character device",
  block: "a block device",
  fifo: "a named pipe",
  whiteout: "a deletion",
  opaque: "a deletion",
};

function placeName({ opened }: PlatformImage, layer: number | undefined): string {
  return layer === undefined ? opened.name : `layer ${layer} of ${opened.name}`;
}

/** `place` is what the view shows, for the error. */
function lookUp(view: RootfsView, path: string, followLast: boolean, place: string): BytePath {
  const found = view.resolve(bytePath(path), { followLast });
  if (found.entry !== undefined) return found.path;
  const where =
    found.path === bytePath(path).replace(/^\/+|\/+$/g, "") ? "" : ` (it leads to "/${displayPath(found.path)}")`;
  throw new BuildError("INPUT_MISSING", `there is no "${path}" in ${place}${where}`);
}

function entryAt(view: RootfsView, path: BytePath): Entry {
  const entry = view.lstat(path);
  if (entry === undefined) throw new BuildError("INTERNAL", `"${path}" is listed, but not there`);
  return entry;
}

// A file op that is run again makes much the same layer again. Where nobody uses the directory of the last one, and that
// can be made of its blob should somebody want it, the directory becomes the new layer's: what changed is written, and
// the other 20,000 files stay where they are.

import { renameSync } from "node:fs";
import { isErrno } from "../core/errors.ts";
import { fileOnDisk, onDisk } from "../core/space.ts";
import type { Entry, SourcedEntry } from "../layer/entry.ts";
import type { IndexChange } from "../layer/index-change.ts";
import { indexChange } from "../layer/index-change.ts";
import { encodeEntry, indexOfLines, LayerIndex } from "../layer/index-file.ts";
import type { WrittenLayer } from "../layer/jobs/jobs.ts";
import { LayerFiles } from "./layer-files.ts";
import type { LayerPlace } from "./ports.ts";

/** A smaller layer is linked as quickly, and both directories stay. */
const LEAST_ENTRIES = 1000;
/** What changes more is made anew as quickly. */
const MOST_CHANGED = 1 / 4;

/** A directory that was taken, and what is to be done to it. */
export interface TakenTwin {
  readonly directory: string;
  readonly change: IndexChange;
  /** What it took of the disk. */
  readonly bytes: number;
}

/**
 * Moves the directory of the layer `twin`, which is without one then, to `directory`. Undefined, and all as it was, when it
 * is in use, could not be made again, or is too different from the entries.
 */
export async function takeTwin(
  place: LayerPlace,
  twin: string,
  entries: readonly SourcedEntry[],
  directory: string,
): Promise<TakenTwin | undefined> {
  if (entries.length < LEAST_ENTRIES) return undefined;
  const files = new LayerFiles(place.layersDirectory, twin);
  const index = files.hasDirectory() && (await hasWholeBlob(place, files)) ? files.readIndexBytes() : undefined;
  const change = index && indexChange(index, entries, entries.length * MOST_CHANGED);
  if (index === undefined || change === undefined) return undefined;
  const bytes = takeDirectory(place, twin, files, directory, onDisk(index.length));
  return bytes === undefined ? undefined : { directory, change, bytes };
}

/** Makes it what the new layer has. */
export async function alterTwin(
  { jobs, overlayXattrs }: LayerPlace,
  { directory, change, bytes }: TakenTwin,
  signal: AbortSignal,
): Promise<WrittenLayer> {
  const { removed, directories, added } = change;
  const altered = await jobs.alter({ change: { removed, directories, added }, directory, overlayXattrs }, signal);
  const written = new Map(altered.index.entries.map((entry) => [entry.path, entry]));
  const entries = change.entries.map(({ entry }): Entry => written.get(entry.path) ?? entry);
  const lines = change.parts.map((part) =>
    part instanceof Uint8Array ? part : Buffer.from(encodeEntry(written.get(part.path) ?? part), "latin1"),
  );
  const gone = removed.reduce((sum, { size }) => sum + fileOnDisk(size), 0);
  return {
    index: new LayerIndex(indexOfLines(lines, entries.length), entries),
    ownBytes: Math.max(0, bytes - gone) + altered.ownBytes,
  };
}

/** Moves the directory; gives what it takes of the disk. */
function takeDirectory(
  place: LayerPlace,
  twin: string,
  files: LayerFiles,
  to: string,
  leftBytes: number,
): number | undefined {
  try {
    return place.space.takeFrom(`layer/${twin}`, () => {
      renameSync(files.fsDirectory, to);
      return leftBytes;
    });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined; // another build was faster
    throw error;
  }
}

/** What entries take of the disk as files. */
export function sizeOf(entries: readonly SourcedEntry[]): number {
  return entries.reduce((sum, { entry }) => sum + fileOnDisk(entry.size), 0);
}

/** Of which the directory can be made again, with the times of the index. */
async function hasWholeBlob({ blobs }: LayerPlace, files: LayerFiles): Promise<boolean> {
  const { variants = [] } = files.readMeta() ?? {};
  for (const { descriptor } of variants) if ((await blobs.sizeOf(descriptor.digest)) === descriptor.size) return true;
  return false;
}

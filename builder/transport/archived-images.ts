// All images of an archive, of whatever kind it is, with their names.

import type { ArchiveFile } from "./archive-file.ts";
import { dockerArchiveSource, dockerEntries } from "./docker-archive.ts";
import { isV1, v1Entries } from "./docker-v1.ts";
import { archiveSource, foundAt, isLayout, layoutEntries } from "./image-archive.ts";
import { byDigest, fullName } from "./layout-index.ts";
import type { ImageSource } from "./source.ts";

/** An image that nobody has asked for yet. */
export interface WaitingImage {
  /** Full references. */
  readonly names: readonly string[];
  open(): Promise<ImageSource>;
}

/** Lists them; the archive must stay open. Throws `ARCHIVE_INVALID` when it is no image archive. */
export async function archivedImages(archive: ArchiveFile): Promise<readonly WaitingImage[]> {
  const name = `"${archive.path}"`;
  if (isLayout(archive)) {
    return byDigest(await layoutEntries(archive)).map(({ descriptor, names }) => ({
      names,
      open: () => archiveSource(archive, names[0] ?? name, () => foundAt(archive, descriptor, name)),
    }));
  }
  const entries = (await dockerEntries(archive))?.map(({ RepoTags }) => RepoTags ?? []);
  const older =
    entries === undefined && isV1(archive) ? (await v1Entries(archive)).map(({ names }) => names) : undefined;
  const all = entries ?? older;
  // Says what is missing.
  if (all === undefined) return [{ names: [], open: () => dockerArchiveSource(archive, {}, name) }];
  return all.map((names, index) => ({
    names: names.map(fullName),
    open: () => dockerArchiveSource(archive, { index }, names[0] ?? name),
  }));
}

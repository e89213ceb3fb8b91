// One image of an archive as a source: blobs are found by their digest among the
// archive's members, under the name that an OCI layout gives them or where a table says.

import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { assembleManifest } from "../image/manifest.ts";
import type { ArchiveFile, Member } from "./archive-file.ts";
import { blobName } from "./docker-manifest.ts";
import { chooseEntry, parseLayoutIndex, withoutNames } from "./layout-index.ts";
import type { ImageSource } from "./source.ts";
import type { Selection } from "../core/image/image-location.ts";

/** Manifests, indexes and configs are not larger. */
export const DOCUMENT_BYTES = 16 << 20;

/** What a name in an archive leads to. */
export interface Found {
  readonly top: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** Blobs that do not lie under blobs/sha256: elsewhere in the archive, or made here. */
  readonly blobs: ReadonlyMap<Digest, Member | Uint8Array>;
  /** The manifest was made here. */
  readonly isDerived: boolean;
}

/** An image of an open archive, which is closed with the source. Looked for at once, so that its errors come early. */
export async function archiveSource(
  archive: ArchiveFile,
  name: string,
  find: () => Promise<Found>,
): Promise<ImageSource> {
  await using undo = new AsyncDisposableStack();
  undo.use(archive);
  const { top, blobs, isDerived } = await find();
  const blobOf = ({ digest }: Descriptor): Member | Uint8Array => {
    const found = blobs.get(digest) ?? archive.member(blobName(digest));
    if (found === undefined) throw new BuildError("ARCHIVE_INVALID", `${name}: ${digest} is not in the archive`);
    return found;
  };
  const held = undo.move();
  return {
    name,
    isDerived,
    has: async ({ digest }) => blobs.has(digest) || archive.member(blobName(digest)) !== undefined,
    top: async () => top,
    async document(descriptor) {
      const blob = blobOf(descriptor);
      return blob instanceof Uint8Array ? blob : await archive.read(blob, DOCUMENT_BYTES);
    },
    async *blob(descriptor, signal) {
      const blob = blobOf(descriptor);
      const size = blob instanceof Uint8Array ? blob.length : blob.size;
      if (size !== descriptor.size) {
        throw new BuildError(
          "DIGEST_INVALID",
          `${name}: ${descriptor.digest} has ${size} bytes, the manifest says ${descriptor.size}`,
        );
      }
      if (blob instanceof Uint8Array) yield blob;
      else yield* archive.stream(blob, signal);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Whether an archive is an OCI layout. */
export function isLayout(archive: ArchiveFile): boolean {
  return archive.member("index.json") !== undefined && archive.member("oci-layout") !== undefined;
}

/** The entries of an archive's index.json. Throws `ARCHIVE_INVALID`. */
export async function layoutEntries(archive: ArchiveFile): Promise<readonly Descriptor[]> {
  const member = archive.member("index.json");
  if (member === undefined) throw new BuildError("ARCHIVE_INVALID", `"${archive.path}" has no index.json`);
  return parseLayoutIndex(await archive.read(member, DOCUMENT_BYTES), `index.json of "${archive.path}"`).manifests;
}

/** The image of an archived layout that a selection names. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function findInLayout(archive: ArchiveFile, selection: Selection, name: string): Promise<Found> {
  const manifests = await layoutEntries(archive);
  const descriptor = withoutNames(chooseEntry({ mediaType: "", manifests }, selection, name));
  return await foundAt(archive, descriptor, name);
}

/** The same for a descriptor at hand. */
export async function foundAt(archive: ArchiveFile, descriptor: Descriptor, name: string): Promise<Found> {
  const blob = archive.member(blobName(descriptor.digest));
  if (blob === undefined)
    throw new BuildError("ARCHIVE_INVALID", `${name}: ${descriptor.digest} is not in the archive`);
  return { top: { descriptor, bytes: await archive.read(blob, DOCUMENT_BYTES) }, blobs: new Map(), isDerived: false };
}

/** An image of which the archive has a config and layers, but no manifest. */
export function deriveImage(
  config: Uint8Array,
  layers: readonly Descriptor[],
  layerBlobs: ReadonlyMap<Digest, Member | Uint8Array>,
): Found {
  const descriptor: Descriptor = { mediaType: MEDIA.dockerConfig, digest: digestOf(config), size: config.length };
  const blobs = new Map([...layerBlobs, [descriptor.digest, config] as const]);
  return { top: assembleManifest(descriptor, layers, "docker"), blobs, isDerived: true };
}

/** A file of the archive that one of its descriptions names. Throws `ARCHIVE_INVALID`. */
export function memberNamed(archive: ArchiveFile, member: string, name: string): Member {
  const found = archive.member(member);
  if (found === undefined)
    throw new BuildError("ARCHIVE_INVALID", `${name}: it names "${member}", which is not in the archive`);
  return found;
}

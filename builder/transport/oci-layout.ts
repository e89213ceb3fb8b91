// An OCI image layout on disk (image-spec, image-layout.md). As a source it is only read:
// no lock, no temporary file, so it may lie on a read-only file system. As a sink it keeps
// what is in it.

import type { FileHandle } from "node:fs/promises";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { readSmallFile } from "../core/system/small-file.ts";
import { parseDocument } from "../image/read.ts";
import { layoutVersion } from "../store/layout.ts";
import { openLayoutForWriting } from "../store/open.ts";
import { chunksOf, openRegular, readRegular } from "./file-chunks.ts";
import type { NamedEntry } from "../store/names.ts";
import type { EntriesOf } from "./layout-index.ts";
import { chooseEntry, parseLayoutIndex, refEntries, withoutNames } from "./layout-index.ts";
import type { ImageSink, ImageSource, SinkForms } from "./source.ts";
import type { Selection } from "../core/image/image-location.ts";
import { formatSelection } from "../core/image/image-location.ts";
import { writeBlob } from "./write-blob.ts";

const DOCUMENT_BYTES = 16 << 20;

/** What other programs expect in a layout and an archive of one. */
export const LAYOUT_FORMS: SinkForms = {
  families: ["oci"],
  tolerated: "docker",
  compressions: ["gzip", "zstd", "uncompressed"],
  preferred: "gzip",
  indexes: true,
  artifacts: true,
  keepsManifest: true,
};

/** Opens a layout. Without a selection it must hold one image only, or one that is called "latest". Throws `INPUT_MISSING`. */
export async function openOciLayout(path: string, selection: Selection = {}): Promise<ImageSource> {
  const version = await layoutVersion(path, "INPUT_MISSING");
  if (version === undefined) {
    throw new BuildError("INPUT_MISSING", `"${path}" is not an OCI image layout: it has no file "oci-layout"`);
  }
  const name = `oci layout "${path}"${formatSelection(selection)}`;
  const document = async ({ digest }: Descriptor): Promise<Uint8Array> => readDocument(path, digest, name);
  return {
    name,
    async top() {
      const descriptor = await chooseTop(path, selection, name);
      return { descriptor, bytes: await document(descriptor) };
    },
    document,
    async *blob({ digest }, signal) {
      await using file = await openBlob(path, digest, name);
      yield* chunksOf(file, {}, signal);
    },
    async pathOf({ digest }) {
      return blobPath(path, digest);
    },
    has: ({ digest }) => isFile(blobPath(path, digest)),
    async [Symbol.asyncDispose]() {
      // Nothing is held open.
    },
  };
}

/**
 * Opens or makes a layout as a sink; names are ref names, each of which replaces the one that is there. With `finish` all
 * of it is there, without it nothing. Throws `OUTPUT`.
 */
export async function openOciLayoutSink(path: string, entries: EntriesOf = refEntries): Promise<ImageSink> {
  const layout = await openLayoutForWriting(path);
  const listed: NamedEntry[] = [];
  return {
    name: `oci layout "${path}"`,
    forms: LAYOUT_FORMS,
    async has({ digest, size }) {
      return (await layout.blobs.sizeOf(digest)) === size || (await layout.added.sizeOf(digest)) === size;
    },
    putBlob: (descriptor, open, signal) => writeBlob(layout.added, descriptor, open(), signal),
    async putDocument(descriptor, bytes, names, _signal, isTop = names.length > 0) {
      if ((await layout.blobs.sizeOf(descriptor.digest)) !== descriptor.size) await layout.added.put(bytes);
      if (isTop) listed.push(...entries(descriptor, names));
    },
    finish: () => layout.commit(listed),
    [Symbol.asyncDispose]: () => layout[Symbol.asyncDispose](),
  };
}

/** The descriptors that a layout's index.json lists. */
export async function readLayoutEntries(path: string): Promise<readonly Descriptor[]> {
  return (await readIndex(path)).manifests;
}

async function chooseTop(path: string, selection: Selection, name: string): Promise<Descriptor> {
  const index = await readIndex(path);
  const { digest } = selection;
  if (digest === undefined) return withoutNames(chooseEntry(index, selection, name));
  const listed = index.manifests.find((entry) => entry.digest === digest);
  if (listed !== undefined) return withoutNames(listed);
  // Named by an index of the layout only: its own bytes say what it is.
  const bytes = readDocument(path, digest, name);
  const document = parseDocument(bytes, name);
  const mediaType = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
  return { mediaType, digest, size: bytes.length };
}

async function readIndex(path: string): Promise<ReturnType<typeof parseLayoutIndex>> {
  const file = join(path, "index.json");
  try {
    return parseLayoutIndex(await readSmallFile(file), `"${file}"`);
  } catch (error) {
    if (isErrno(error, "ENOENT"))
      throw new BuildError("ARCHIVE_INVALID", `the image layout "${path}" has no index.json`, { cause: error });
    throw error;
  }
}

function readDocument(path: string, digest: Digest, name: string): Uint8Array {
  try {
    return readRegular(blobPath(path, digest), (size) => {
      if (size > DOCUMENT_BYTES)
        throw new BuildError("ARCHIVE_INVALID", `${name}: ${digest} is no manifest: it has ${size} bytes`);
    });
  } catch (error) {
    throw notOpened(error, digest, name);
  }
}

async function openBlob(path: string, digest: Digest, name: string): Promise<FileHandle> {
  try {
    return await openRegular(blobPath(path, digest));
  } catch (error) {
    throw notOpened(error, digest, name);
  }
}

function notOpened(error: unknown, digest: Digest, name: string): unknown {
  if (!isErrno(error, "ENOENT")) return error;
  return new BuildError("INPUT_MISSING", `${name}: blob ${digest} is not in the layout`, { cause: error });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return statSync(path).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function blobPath(path: string, digest: Digest): string {
  return join(path, "blobs/sha256", hexOf(digest));
}

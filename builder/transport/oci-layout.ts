// An OCI image layout on disk as a source (image-spec, image-layout.md). Read-only:
// no lock, no temporary file, so it may lie on a read-only file system.

import { constants } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../core/descriptor.ts";
import { hexOf, parseDigest } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { formatReference, parseReference } from "../core/reference.ts";
import type { ImageIndex } from "../image/index.ts";
import { parseDocument } from "../image/read.ts";
import { CONTAINERD_NAME, REF_NAME } from "../store/names.ts";
import { layoutVersion } from "../store/layout.ts";
import type { ImageSource } from "./source.ts";

const CHUNK_BYTES = 1 << 20;
const DOCUMENT_BYTES = 16 << 20;

export interface LayoutChoice {
  /** `org.opencontainers.image.ref.name`, or a full reference in `io.containerd.image.name`. */
  readonly tag?: string | undefined;
  /** Of a manifest or index that lies in the layout, named in index.json or not. */
  readonly digest?: string | undefined;
}

/** Opens a layout. Without tag and digest it must hold one image only, or one that is called "latest". */
export async function openOciLayout(path: string, choice: LayoutChoice = {}): Promise<ImageSource> {
  const version = await layoutVersion(path, "INPUT_MISSING");
  if (version === undefined) {
    throw new BuildError("INPUT_MISSING", `"${path}" is not an OCI image layout: it has no file "oci-layout"`);
  }
  const name = `oci-layout "${path}"${choice.tag === undefined ? "" : `:${choice.tag}`}${choice.digest === undefined ? "" : `@${choice.digest}`}`;
  const document = (descriptor: Descriptor): Promise<Uint8Array> => readBlob(path, descriptor, name);
  return {
    name,
    async top() {
      const index = parseDocument(await readIndex(path), `"${join(path, "index.json")}"`);
      if (index.kind !== "index")
        throw new BuildError("ARCHIVE_INVALID", `"${join(path, "index.json")}" is not an index`);
      const descriptor = await chooseTop(index.index, choice, path, name);
      return { descriptor, bytes: await document(descriptor) };
    },
    document,
    blob: (descriptor, signal) => streamBlob(path, descriptor, name, signal),
    has: (descriptor) => isFile(blobPath(path, descriptor)),
    async pathOf(descriptor) {
      return blobPath(path, descriptor);
    },
    async [Symbol.asyncDispose]() {
      // Nothing is held open.
    },
  };
}

/** The entry of a layout's index.json that a tag or digest names. */
export function chooseEntry(index: ImageIndex, tag: string | undefined, name: string): Descriptor {
  const { manifests } = index;
  const refs = (entry: Descriptor): readonly (string | undefined)[] => [
    entry.annotations?.[REF_NAME],
    entry.annotations?.[CONTAINERD_NAME],
  ];
  const named = (wanted: string): Descriptor | undefined => manifests.findLast((entry) => refs(entry).includes(wanted));
  if (tag !== undefined) {
    const found =
      named(tag) ??
      named(fullName(tag)) ??
      manifests.findLast((entry) => refs(entry).some((ref) => ref?.endsWith(`:${tag}`)));
    if (found !== undefined) return found;
    const known = [...new Set(manifests.flatMap(refs).filter((ref) => ref !== undefined))];
    throw new BuildError("INPUT_MISSING", `${name} has no image "${tag}"`, {
      hint: known.length === 0 ? "its images have no names: give a digest, or none" : `it has ${known.join(", ")}`,
    });
  }
  const digests = new Set(manifests.map((entry) => entry.digest));
  const [only] = manifests;
  if (only === undefined) throw new BuildError("INPUT_MISSING", `${name} holds no image`);
  const latest = digests.size === 1 ? only : named("latest");
  if (latest !== undefined) return latest;
  throw new BuildError("INPUT_MISSING", `${name} holds ${digests.size} images and none is called "latest"`, {
    hint: `name one: ${manifests.map((entry) => refs(entry).find((ref) => ref !== undefined) ?? entry.digest).join(", ")}`,
  });
}

/** An image name in its full form; what is none stays as it is. */
export function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}

/** A descriptor without the names that index.json put on it. */
export function withoutNames(descriptor: Descriptor): Descriptor {
  const { annotations, ...rest } = descriptor;
  if (annotations === undefined) return rest;
  const { [REF_NAME]: _ref, [CONTAINERD_NAME]: _full, ...others } = annotations;
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others };
}

async function chooseTop(index: ImageIndex, choice: LayoutChoice, path: string, name: string): Promise<Descriptor> {
  if (choice.digest === undefined) return withoutNames(chooseEntry(index, choice.tag, name));
  const digest = parseDigest(choice.digest);
  const listed = index.manifests.find((entry) => entry.digest === digest);
  if (listed !== undefined) return withoutNames(listed);
  // Named by an index of the layout only: its own bytes say what it is.
  const bytes = await openBlob(path, digest, name).then(async (file) => {
    await using held = file;
    return await held.readFile();
  });
  const document = parseDocument(bytes, `${name}`);
  const mediaType = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
  return { mediaType, digest, size: bytes.length };
}

async function readIndex(path: string): Promise<Uint8Array> {
  try {
    return await readFile(join(path, "index.json"));
  } catch (error) {
    if (isErrno(error, "ENOENT"))
      throw new BuildError("ARCHIVE_INVALID", `the image layout "${path}" has no index.json`, { cause: error });
    throw error;
  }
}

async function readBlob(path: string, descriptor: Descriptor, name: string): Promise<Uint8Array> {
  await using file = await openBlob(path, descriptor.digest, name);
  const { size } = await file.stat();
  if (size > DOCUMENT_BYTES)
    throw new BuildError("ARCHIVE_INVALID", `${name}: ${descriptor.digest} is no manifest: it has ${size} bytes`);
  return await file.readFile();
}

async function* streamBlob(
  path: string,
  descriptor: Descriptor,
  name: string,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  await using file = await openBlob(path, descriptor.digest, name);
  for (let position = 0; ;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function openBlob(path: string, digest: Descriptor["digest"], name: string): ReturnType<typeof open> {
  try {
    return await open(blobPath(path, { digest }), constants.O_RDONLY);
  } catch (error) {
    if (isErrno(error, "ENOENT"))
      throw new BuildError("INPUT_MISSING", `${name}: blob ${digest} is not in the layout`, { cause: error });
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function blobPath(path: string, descriptor: Pick<Descriptor, "digest">): string {
  return join(path, "blobs/sha256", hexOf(descriptor.digest));
}

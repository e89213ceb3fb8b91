// Image layouts of this machine that a daemon reads from, or writes to, while it builds for us: named contexts, outputs
// that are folders, caches in folders.

import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { hexOf } from "./core/digest.ts";
import { BuildError, isErrno } from "./core/errors.ts";
import type { ImageLocation } from "./core/image/image-location.ts";
import { hostPlatform } from "./core/image/platform.ts";
import { openSource } from "./engine/images/locations.ts";
import { temporaryFolder } from "./engine/temporary-folder.ts";
import { parseDocument } from "./image/read.ts";
import type { BlobStore, BlobWriter } from "./store/store.ts";
import type { OpenLayout } from "./store/open.ts";
import { openLayoutForWriting } from "./store/open.ts";
import { temporaryPath } from "./store/temporary.ts";
import { chunksOf, openRegular } from "./transport/file-chunks.ts";
import { referenceEntries } from "./transport/layout-index.ts";
import { openOciLayout } from "./transport/oci-layout.ts";
import { accessFor, copy, transferOf } from "./copy.ts";
import type { BuildRequest } from "./request.ts";

export type { BlobWriter } from "./store/store.ts";

/** A layout in a daemon's reach. What was written and not listed is gone when it is disposed of. */
export interface OfferedLayout extends AsyncDisposable {
  /** Undefined when it is not there. */
  size(digest: Digest): Promise<number | undefined>;
  /** At most `length` bytes from `from` on. Throws `INPUT_MISSING`. */
  read(digest: Digest, from: number, length: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Throws `OUTPUT`. The layout is made when the first one is asked for. */
  writer(signal: AbortSignal): Promise<BlobWriter>;
  /** Puts what was written in its place. Throws `DIGEST_INVALID`. */
  commit(writer: BlobWriter, blob: { readonly digest: Digest; readonly size: number }): Promise<void>;
  /**
   * Lists an image, with all that was written. A daemon with several outputs says what one of them is: where that is not
   * here, it is the image that came last, since images come from their layers up. Throws `OUTPUT`.
   */
  list(said: Descriptor | undefined, names: readonly string[]): Promise<void>;
}

/** The layout at `path`, absolute; names are full references of images, or tags of caches. Opens nothing yet. */
export function offerLayout(path: string, names: "references" | "tags"): OfferedLayout {
  let opening: Promise<OpenLayout> | undefined;
  let last: Digest | undefined;
  const open = (): Promise<OpenLayout> => (opening ??= openLayoutForWriting(path));
  return {
    async size(digest) {
      const size = await sizeOf(blobPath(path, digest));
      if (size !== undefined) last = digest;
      return size;
    },
    read: async function* (digest, start, length, signal) {
      await using file = await openRegular(blobPath(path, digest)).catch((cause: unknown) => {
        throw new BuildError("INPUT_MISSING", `oci layout "${path}": blob ${digest} is not in the layout`, { cause });
      });
      yield* chunksOf(file, { start, length }, signal);
    },
    writer: async (signal) => await (await open()).added.writer(signal),
    async commit(writer, blob) {
      await writer.commit(blob);
      last = blob.digest;
    },
    async list(said, given) {
      const layout = await open();
      const { blobs, added } = layout;
      const storeOf = async (digest: Digest): Promise<BlobStore | undefined> =>
        (await added.has(digest)) ? added : (await blobs.has(digest)) ? blobs : undefined;
      const isHere = said !== undefined && (await storeOf(said.digest)) !== undefined;
      const digest = isHere ? said.digest : last;
      const store = digest === undefined ? undefined : await storeOf(digest);
      if (digest === undefined || store === undefined)
        throw new BuildError("OUTPUT", `no image has come for "${path}"`);
      const descriptor = isHere ? said : describe(digest, await store.read(digest));
      const tags = given.map((refName) => ({ descriptor, refName }));
      await layout.commit(names === "tags" ? tags : referenceEntries(descriptor, given));
    },
    async [Symbol.asyncDispose]() {
      const layout = await opening?.catch(() => undefined); // whoever asked for it was told
      await layout?.[Symbol.asyncDispose]();
    },
  };
}

function describe(digest: Digest, bytes: Uint8Array): Descriptor {
  const document = parseDocument(bytes, digest);
  const { mediaType } = document.kind === "index" ? document.index : document.manifest;
  return { mediaType, digest, size: bytes.length };
}

/** An image by its digest, in a layout. */
export interface OfferedImage {
  /** Of the layout, absolute. */
  readonly path: string;
  readonly digest: Digest;
}

/** The image in a layout; undefined when there is no layout. Throws `INPUT_MISSING` for one without that image. */
export async function imageInLayout(path: string, tag: string | undefined): Promise<OfferedImage | undefined> {
  if ((await sizeOf(join(path, "oci-layout"))) === undefined) return undefined;
  await using source = await openOciLayout(path, tag === undefined ? {} : { ref: tag });
  const { descriptor } = await source.top(new AbortController().signal);
  return { path, digest: descriptor.digest };
}

/** An image wherever it is, as one in a layout; what is in none is copied into one that goes with `held`. Throws what the place throws. */
export async function offerImage(
  location: ImageLocation,
  request: BuildRequest,
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<OfferedImage> {
  const transfer = transferOf(request);
  if (location.transport === "oci" || location.transport === "store") {
    await using source = await openSource(location, accessFor(transfer, request, signal));
    const { descriptor } = await source.top(signal);
    return { path: location.transport === "oci" ? location.path : request.root, digest: descriptor.digest };
  }
  const path = temporaryPath(await temporaryFolder(request.environment), "context");
  held.defer(() => rm(path, { recursive: true, force: true }));
  const { top } = await copy(
    {
      ...transfer,
      source: location,
      destination: { transport: "oci", path },
      additionalNames: [],
      sourceAccess: request,
      destinationAccess: request,
      which: "all",
      platform: hostPlatform(),
      family: undefined,
      compression: undefined,
      preserveDigests: false,
    },
    signal,
  );
  return { path, digest: top.digest };
}

function blobPath(path: string, digest: Digest): string {
  return join(path, "blobs/sha256", hexOf(digest));
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

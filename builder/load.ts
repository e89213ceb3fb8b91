// `tsbuild load`: the images of an archive, or of a folder, into the local store.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CopyResult, TransferRequest } from "./copy.ts";
import { transferOptions } from "./copy.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError, isErrno } from "./core/errors.ts";
import type { Platform } from "./core/image/platform.ts";
import { hostPlatform } from "./core/image/platform.ts";
import { givenName } from "./core/image/reference.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import type { ArchiveFile } from "./transport/archive-file.ts";
import { openArchiveFile, receiveArchive } from "./transport/archive-file.ts";
import { archivedImages } from "./transport/archived-images.ts";
import type { WaitingImage } from "./transport/archived-images.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import { byDigest } from "./transport/layout-index.ts";
import { storeSink } from "./transport/local-store.ts";
import type { ImageSink } from "./transport/source.ts";
import { openDir } from "./transport/dir.ts";
import { openOciLayout, readLayoutEntries } from "./transport/oci-layout.ts";
import { openStore } from "./store/open.ts";
import { temporaryFolder } from "./engine/temporary-folder.ts";

export interface LoadRequest extends TransferRequest {
  readonly input:
    | { readonly kind: "path"; readonly path: string }
    | { readonly kind: "stream"; readonly open: () => AsyncIterable<Uint8Array> };
  /** One more name for the image, when there is one only. */
  readonly names: readonly string[];
  /** Only the images of this platform; undefined: all that are there. */
  readonly platform: Platform | undefined;
}

export interface LoadResult extends CopyResult {
  /** Full references; an image without any is kept by its digest. */
  readonly names: readonly string[];
}

/** Loads all images. None has a name before all are there and checked. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`, `DIGEST_INVALID`. */
export async function load(request: LoadRequest, signal: AbortSignal): Promise<readonly LoadResult[]> {
  const what = request.input.kind === "path" ? `"${request.input.path}"` : "standard input";
  return await toldTransfer(request, `load ${what}`, async (onStatus) => {
    await using undo = new AsyncDisposableStack();
    const images = await findImages(request, undo);
    if (images.length === 0) throw new BuildError("INPUT_MISSING", `${what} holds no image`);
    if (request.names.length > 0 && images.length > 1) {
      throw new BuildError("USAGE", `${what} holds ${images.length} images: --tag would give all of them one name`);
    }
    const more = request.names.map(givenName);
    const { sink, nameAll } = namingLast(storeSink(await openStore(request.root)));
    const results: LoadResult[] = [];
    for (const image of images) {
      await using source = await image.open();
      refuseForeignDigest(image.names, (await source.top(signal)).descriptor.digest, what);
      const names = [...new Set([...image.names, ...more])];
      const result = await copyImage(source, sink, {
        which: request.platform === undefined ? "present" : "one",
        platform: request.platform ?? hostPlatform(),
        family: undefined,
        compression: undefined,
        preserveDigests: false,
        names,
        ...transferOptions(request, { transport: "oci-archive" }),
        signal,
        onStatus,
      });
      results.push({ ...result, names });
    }
    await nameAll();
    return results;
  });
}

// Whoever asks for a digest must not be given what an archive says of itself.
function refuseForeignDigest(names: readonly string[], digest: Digest, what: string): void {
  const name = names.find((one) => (/@(sha256:.*)$/.exec(one)?.[1] ?? digest) !== digest);
  if (name !== undefined)
    throw new BuildError("ARCHIVE_INVALID", `${what}: "${name}" is the name of another image: this one is ${digest}`);
}

/** Full references of the images in an archive. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function archivedNames(
  path: string,
  { limits, environment }: Pick<LoadRequest, "limits" | "environment">,
): Promise<readonly string[]> {
  await using archive = await openArchiveFile(path, { temporaryDirectory: await temporaryFolder(environment), limits });
  return (await archivedImages(archive)).flatMap(({ names }) => names);
}

/** The sink, but that nothing has a name before all images are there. */
function namingLast(sink: ImageSink): { readonly sink: ImageSink; readonly nameAll: () => Promise<void> } {
  const waiting: (() => Promise<void>)[] = [];
  return {
    sink: {
      ...sink,
      async putDocument(descriptor, bytes, names, signal, isTop = false) {
        await sink.putDocument(descriptor, bytes, [], signal);
        if (isTop) waiting.push(() => sink.putDocument(descriptor, bytes, names, signal, true));
      },
    },
    async nameAll() {
      for (const name of waiting) await name();
    },
  };
}

async function findImages(
  { input, limits, environment }: LoadRequest,
  undo: AsyncDisposableStack,
): Promise<readonly WaitingImage[]> {
  if (input.kind === "path" && (await isDirectory(input.path))) return await inFolder(input.path);
  const options = { temporaryDirectory: await temporaryFolder(environment), limits };
  const archive =
    input.kind === "path"
      ? await openArchiveFile(input.path, options)
      : await receiveArchive("standard input", input.open(), options);
  undo.use(archive);
  // Each image's source would close it.
  const shared: ArchiveFile = { ...archive, [Symbol.asyncDispose]: async () => undefined };
  return await archivedImages(shared);
}

/** A layout has a list of images; what skopeo's `dir:` writes is one image without a name. */
async function inFolder(path: string): Promise<readonly WaitingImage[]> {
  if (await exists(join(path, "manifest.json"))) return [{ names: [], open: () => openDir(path) }];
  const entries = await readLayoutEntries(path);
  return byDigest(entries).map(({ descriptor, names }) => ({
    names,
    open: () => openOciLayout(path, { digest: descriptor.digest }),
  }));
}

async function isDirectory(path: string): Promise<boolean> {
  return (await statOrNone(path))?.isDirectory() === true;
}

async function exists(path: string): Promise<boolean> {
  return (await statOrNone(path)) !== undefined;
}

async function statOrNone(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

// From a layer's blob to its index and its files: as soon as the bytes come, where the blob has to be fetched, so that
// what takes longer of the two, fetching or unpacking, is all that one waits for.

import { compressionOf } from "../core/image/descriptor.ts";
import { damageOfFile } from "../core/damaged-blob.ts";
import { BuildError } from "../core/errors.ts";
import type { GrowingFile } from "../core/system/growing-file.ts";
import { isWhole } from "../core/system/growing-file.ts";
import type { AppliedLayer, ApplyRequest } from "../layer/jobs/jobs.ts";
import type { StoredVariant } from "./layer-files.ts";
import type { FetchBlob, LayerPlace } from "./ports.ts";

/** What is to be made of the blob. */
type Wish = Pick<ApplyRequest, "directory" | "only" | "index">;
type Request = Pick<ApplyRequest, "compression" | "diffId" | "overlayXattrs">;

/** Applies a blob of the store. One that fails because its file was changed since is named as damaged. */
export async function applyStored(
  place: LayerPlace,
  blobFile: string,
  variant: StoredVariant,
  wish: Wish,
  signal: AbortSignal,
): Promise<AppliedLayer> {
  try {
    return await named(variant, place.jobs.apply({ blobFile, ...requestFor(place, variant), ...wish }, signal));
  } catch (error) {
    if (signal.aborted || !isAboutLayer(error)) throw error;
    throw (await damageOfFile(blobFile, variant.descriptor.digest, signal)) ?? error;
  }
}

/**
 * Fetches a blob and applies it meanwhile. What came to be of it counts once the blob is in the store, verified; undefined
 * when it is there and was not applied: somebody else fetched it, no worker was free, or some of the bytes were wrong at
 * first. Nothing is left of `wish.directory` then. Throws what fetching throws.
 */
export async function applyComing(
  place: LayerPlace,
  fetch: FetchBlob,
  variant: StoredVariant,
  wish: Wish,
  signal: AbortSignal,
): Promise<AppliedLayer | undefined> {
  let coming: { readonly file: GrowingFile; readonly applied: Promise<AppliedLayer> } | undefined;
  try {
    await fetch(variant.descriptor, signal, (file) => {
      const applying = place.jobs.applyGrowing({ ...requestFor(place, variant), ...wish }, file, signal);
      const applied = applying && named(variant, applying);
      // Awaited below; it may fail first.
      applied?.catch(() => undefined);
      coming = applied && { file, applied };
    });
  } catch (error) {
    // It ends by itself, since its file broke, and takes its directory away.
    await coming?.applied.catch(() => undefined);
    throw error;
  }
  if (coming === undefined) return undefined;
  const { file, applied } = coming;
  try {
    return await applied;
  } catch (error) {
    // All that it read was right: it is the layer that is wrong.
    if (signal.aborted || (isWhole(file) && isAboutLayer(error))) throw error;
    return undefined;
  }
}

function requestFor({ overlayXattrs }: LayerPlace, { descriptor, diffId }: StoredVariant): Request {
  return { compression: compressionOf(descriptor.mediaType) ?? "gzip", diffId, overlayXattrs };
}

/** What is wrong with a layer is told with its digest. */
async function named({ descriptor }: StoredVariant, applied: Promise<AppliedLayer>): Promise<AppliedLayer> {
  try {
    return await applied;
  } catch (error) {
    if (!isAboutLayer(error)) throw error;
    throw new BuildError(error.code, `layer ${descriptor.digest}: ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

function isAboutLayer(error: unknown): error is BuildError {
  return error instanceof BuildError && (error.code === "ARCHIVE_INVALID" || error.code === "UNSUPPORTED");
}

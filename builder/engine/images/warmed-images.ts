// Base images that a warmer laid into a folder: an OCI layout whose ref names are full references. The registry still
// says what a tag is now; where it does not answer, the folder does.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { hexOf } from "../../core/digest.ts";
import { asBuildError, BuildError, isErrno } from "../../core/errors.ts";
import type { EventSink } from "../../core/events.ts";
import type { Platform } from "../../core/image/platform.ts";
import type { Reference } from "../../core/image/reference.ts";
import { formatReference } from "../../core/image/reference.ts";
import { parseImageManifest } from "../../image/read.ts";
import { REF_NAME } from "../../store/names.ts";
import { openOciLayout, readLayoutEntries } from "../../transport/oci-layout.ts";
import type { RegistryOptions } from "../../transport/registry/client.ts";
import { RefusalError } from "../../transport/registry/http/failure.ts";
import { ConnectionError } from "../../transport/registry/http/http.ts";
import { RETRY } from "../../transport/registry/http/retry.ts";
import { openRegistry } from "../../transport/registry/source.ts";
import type { ImageSource } from "../../transport/source.ts";
import { resolveImage } from "../../transport/source.ts";

/** A folder of warmed images, as a request has it. */
export interface WarmedFolder {
  readonly path: string;
  /** Images that were warmed longer ago than this do not count. */
  readonly maxAgeMs: number;
}

/** What looking an image up in a folder needs. */
export interface WarmedLookup {
  readonly folder: WarmedFolder;
  readonly platform: Platform;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/**
 * An image of the folder: by digest without a question; by tag when the registry says that it is the one, or says
 * nothing. Undefined where only the registry can have it.
 */
export async function warmedImage(
  reference: Reference,
  registry: RegistryOptions,
  lookup: WarmedLookup,
  events: EventSink,
): Promise<ImageSource | undefined> {
  const { signal } = lookup;
  const { digest } = reference;
  if (digest !== undefined) return await openWarmed({ digest }, lookup);
  const name = formatReference(reference);
  const warmed = await openWarmed({ ref: name }, lookup);
  if (warmed === undefined) return undefined;
  try {
    // Not as patiently as where the answer is all there is.
    await using source = await openRegistry(reference, { ...registry, retry: { ...RETRY, retries: 1 } });
    const now = await source.resolve?.(signal);
    return now && (await openWarmed({ digest: now.digest }, lookup));
  } catch (error) {
    if (signal.aborted || !isUnanswered(error)) throw error;
    const message = `${name} is the one in "${lookup.folder.path}", as its registry does not answer: ${asBuildError(error).message}`;
    events({ kind: "warning", message });
    return warmed;
  }
}

/** An image of the folder that has all its blobs for a platform, and is not too old; undefined when there is none. */
export async function openWarmed(
  which: { readonly digest: Digest } | { readonly ref: string },
  { folder, platform, now, signal }: WarmedLookup,
): Promise<ImageSource | undefined> {
  try {
    const source = await openOciLayout(folder.path, which);
    if (!(await listed(folder.path, which))) return undefined;
    const { top, manifest } = await resolveImage(source, platform, signal);
    const age = now() - (await stat(blobPath(folder.path, top.descriptor.digest))).mtimeMs;
    if (age > folder.maxAgeMs) return undefined;
    const { digest, mediaType } = manifest.descriptor;
    const { config, layers } = parseImageManifest(manifest.bytes, `manifest ${digest} of ${source.name}`, mediaType);
    for (const part of [config, ...layers]) if ((await source.has?.(part)) !== true) return undefined;
    return source;
  } catch (error) {
    // Nothing was warmed yet, or not for this platform.
    if (isErrno(error, "ENOENT") || (error instanceof BuildError && error.code === "INPUT_MISSING")) return undefined;
    throw error;
  }
}

/** Where a blob of the folder lies. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, "blobs/sha256", hexOf(digest));
}

async function listed(path: string, which: { readonly digest: Digest } | { readonly ref: string }): Promise<boolean> {
  const fits = ({ digest, annotations }: Descriptor): boolean =>
    "digest" in which ? digest === which.digest : annotations?.[REF_NAME] === which.ref;
  return (await readLayoutEntries(path)).some(fits);
}

/** Whether a registry could not be asked; what it refuses, or does not have, it has answered. */
function isUnanswered(error: unknown): boolean {
  if (error instanceof RefusalError) return error.status >= 500 || error.status === 429;
  return error instanceof ConnectionError || (error instanceof BuildError && isUnanswered(error.cause));
}

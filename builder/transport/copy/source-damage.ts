// Whose fault it is when a place refuses a blob. What lies in the store was right when it came there and is sent as it
// is; when its bytes turn out wrong on the way, a disk or a hand has changed the file since.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEND_DAMAGE } from "../../core/damaged-blob.ts";
import { BuildError } from "../../core/errors.ts";
import { RefusalError } from "../registry/http/failure.ts";
import type { ImageSource } from "../source.ts";
import { verified } from "../write-blob.ts";

/** What a place answers to bytes that are not the digest's. */
const REFUSALS: readonly string[] = ["DIGEST_INVALID", "SIZE_INVALID"];

/** Sends a blob of a source by `body`. Where that fails because the source's own file is damaged, the error names the file. */
export async function blaming<T>(
  source: ImageSource,
  blob: Descriptor,
  signal: AbortSignal,
  body: () => Promise<T>,
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (signal.aborted || source.isVerified !== true || !isAboutBytes(error)) throw error;
    throw (await damageOf(source, blob, signal)) ?? error;
  }
}

function isAboutBytes(error: unknown): boolean {
  if (error instanceof RefusalError) return error.codes.some((code) => REFUSALS.includes(code));
  return error instanceof BuildError && (error.code === "DIGEST_INVALID" || error.code === "ARCHIVE_INVALID");
}

async function damageOf(source: ImageSource, blob: Descriptor, signal: AbortSignal): Promise<BuildError | undefined> {
  const path = await source.pathOf?.(blob);
  try {
    for await (const _ of verified(blob, source.blob(blob, signal), path === undefined ? source.name : `"${path}"`));
    return undefined;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return new BuildError("DIGEST_INVALID", `a blob of "${source.name}" is damaged in the store: ${error.message}`, {
      cause: error,
      hint: MEND_DAMAGE,
    });
  }
}

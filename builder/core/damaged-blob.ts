// What lies in the store was right when it came there. When its bytes turn out wrong later, a disk or a hand has changed
// the file since: that is said, with what mends it, instead of what the bytes look like now.

import type { Digest } from "./digest.ts";
import { BuildError } from "./errors.ts";
import { digestOfFile } from "./system/file-digest.ts";

/** What mends a store whose blob is not what its name says. */
export const MEND_DAMAGE = "tsbuild fsck --repair removes it; build or pull the image again then";

/** The error for a stored file whose bytes are not the digest's; undefined when they are. */
export async function damageOfFile(path: string, digest: Digest, signal: AbortSignal): Promise<BuildError | undefined> {
  const { digest: found } = await digestOfFile(path, signal);
  return found === digest ? undefined : damagedBlob(path, found);
}

/** The error for a stored file that has another digest than its name says. */
export function damagedBlob(path: string, found: Digest): BuildError {
  return new BuildError("DIGEST_INVALID", `a blob is damaged in the store: the bytes of "${path}" have ${found}`, {
    hint: MEND_DAMAGE,
  });
}

// Gzip's bytes are Node's bundled zlib's. A Node that was built with another zlib gives
// other digests: said once in an ordinary build, refused where digests are promised.

import { BuildError } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import type { BlobOptions } from "../snapshot/ref.ts";

const FOREIGN_ZLIB =
  "this Node's zlib gives other bytes than the one that Node bundles, so layer digests differ from those of other machines";
const PORTABLE = "compression=gzip,encoder=portable in --output gives the same bytes everywhere, more slowly";

/** Throws `UNSUPPORTED` when a reproducible build would write bytes that another machine could not. */
export async function requireKnownBytes(blobs: BlobOptions): Promise<void> {
  if (!(await areKnown(blobs))) throw new BuildError("UNSUPPORTED", FOREIGN_ZLIB, { hint: PORTABLE });
}

/** Warns when layers are about to be compressed with another zlib. */
export async function warnOfForeignBytes(blobs: BlobOptions, events: EventSink): Promise<void> {
  if (!(await areKnown(blobs))) events({ kind: "warning", message: FOREIGN_ZLIB, detail: PORTABLE });
}

async function areKnown({ compression, encoder }: BlobOptions): Promise<boolean> {
  if (compression !== "gzip" || encoder === "portable") return true;
  const { selfTestGzip } = await import("../layer/compression/self-test.ts");
  return selfTestGzip();
}

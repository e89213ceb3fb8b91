// An image of a docker daemon as a source: what `docker save` gives. Of the containerd
// image store that is an OCI layout with the image's own manifest and layers; of the classic
// store the layers are uncompressed and the manifest, if there is one, was made for saving.

import { compressionOf } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/image/reference.ts";
import { familiarReference } from "../../core/image/reference.ts";
import type { DaemonEndpoint } from "../../core/session.ts";
import { parseDocument } from "../../image/read.ts";
import type { ArchiveFileOptions } from "../archive-file.ts";
import { receiveArchive } from "../archive-file.ts";
import { dockerArchiveSource } from "../docker-archive.ts";
import type { ImageSource } from "../source.ts";
import { DaemonClient } from "./client.ts";

/** Fetches an image, by name or by id, into a temporary file that is gone with the source. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function openDaemonImage(
  image: Reference | Digest,
  endpoint: DaemonEndpoint,
  options: ArchiveFileOptions,
  signal: AbortSignal,
): Promise<ImageSource> {
  const client = new DaemonClient(endpoint);
  const text = typeof image === "string" ? image : familiarReference(image);
  const name = `docker-daemon:${text}`;
  try {
    const response = await client.request("GET", `/images/${text}/get`, signal).catch((error: unknown) => {
      // The classic store says no more than "reference does not exist".
      if (!(error instanceof BuildError) || error.code !== "INPUT_MISSING") throw error;
      throw new BuildError("INPUT_MISSING", `there is no "${text}": ${error.message}`, { cause: error });
    });
    const archive = await receiveArchive(name, response as AsyncIterable<Uint8Array>, options);
    const source = await dockerArchiveSource(archive, {}, name);
    return isMadeUp(await source.top(signal), name) ? { ...source, isDerived: true } : source;
  } finally {
    client.close();
  }
}

// The classic store since docker 25 makes a manifest up for what it saves; no image is called by its digest.
function isMadeUp({ descriptor, bytes }: Awaited<ReturnType<ImageSource["top"]>>, name: string): boolean {
  const document = parseDocument(bytes, name, descriptor.mediaType);
  if (document.kind === "index") return false;
  return document.manifest.layers.every(({ mediaType }) => compressionOf(mediaType) === "uncompressed");
}

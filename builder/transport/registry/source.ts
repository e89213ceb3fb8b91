// A registry as a source of one image. What comes is measured against digest and size as it comes.

import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/image/reference.ts";
import { formatReference } from "../../core/image/reference.ts";
import type { ImageSource } from "../source.ts";
import { verifyBytes } from "../source.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { fetchDocument, resolveTag } from "./documents.ts";
import { downloadBlob } from "./blobs/download.ts";
import { Repository } from "./repository.ts";

export type { RegistryOptions } from "./client.ts";

/** Opens an image of a registry; nothing is asked before it is needed. */
export async function openRegistry(reference: Reference, options: RegistryOptions): Promise<ImageSource> {
  const { tag = "latest", digest } = reference;
  const repository = new Repository(digest === undefined ? { ...reference, tag } : reference, options);
  const name = formatReference(reference);
  /** Which places gave (a part of) a blob. */
  const givers = new Map<Digest, Set<RegistryClient>>();
  const blobFrom: NonNullable<ImageSource["blobFrom"]> = (descriptor, from, signal) => {
    if (from === 0) givers.delete(descriptor.digest);
    const known = givers.get(descriptor.digest) ?? new Set();
    givers.set(descriptor.digest, known);
    return downloadBlob(repository, descriptor, from, signal, (client) => known.add(client));
  };
  return {
    name,
    resolve: async (signal) => (digest === undefined ? await resolveTag(repository, tag, signal) : { digest }),
    top: (signal) => fetchDocument(repository, digest ?? tag, signal),
    async document(descriptor, signal) {
      const { descriptor: found, bytes } = await fetchDocument(repository, descriptor.digest, signal);
      verifyBytes(descriptor, bytes, name);
      if (found.mediaType === descriptor.mediaType) return bytes;
      const said = `is called "${descriptor.mediaType}", but is "${found.mediaType}"`;
      throw new BuildError("ARCHIVE_INVALID", `${name}: manifest ${descriptor.digest} ${said}`);
    },
    blob: (descriptor, signal) => blobFrom(descriptor, 0, signal),
    blobFrom,
    async reject(descriptor) {
      const givenBy = givers.get(descriptor.digest) ?? new Set();
      for (const client of givenBy) repository.distrust(client, descriptor.digest);
      return givenBy.size > 0 && (await repository.places("digest", descriptor.digest)).length > 0;
    },
    heldAt: (descriptor) => [...(givers.get(descriptor.digest) ?? [])].map((client) => client.name),
    async [Symbol.asyncDispose]() {
      repository.close();
    },
  };
}

// A registry as a sink: a repository that takes blobs, manifests and tags. Mirrors are for reading: it is the registry
// itself that takes them.

import { setTimeout as sleep } from "node:timers/promises";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import { parseReference } from "../../core/image/reference.ts";
import type { ImageSink } from "../source.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { manifestPath } from "./client.ts";
import { RefusalError } from "./http/failure.ts";
import type { HttpResponse } from "./http/http.ts";
import { subjectOf } from "./referrers-index.ts";
import { addReferrer } from "./referrers.ts";
import { Repository } from "./repository.ts";
import { pauseMs } from "./http/retry.ts";
import { oneChunk } from "./auth/token.ts";
import { BlobUploader } from "./blobs/upload.ts";

const ACCESS = "pull,push";
/** How often a registry may look again for a blob that it was given. */
const MOST_LOOKS = 3;

/** How blobs are sent. */
export interface SinkOptions extends RegistryOptions {
  /** Blobs are sent in pieces of so many bytes from the beginning; else only once a connection broke. */
  readonly chunkBytes?: number | undefined;
}

/** Opens a repository ("docker.io/library/app") for pushing. */
export async function openRegistrySink(repository: string, options: SinkOptions): Promise<ImageSink> {
  const reference = parseReference(repository);
  const places = new Repository(reference, options);
  const name = `${reference.registry}/${reference.repository}`;
  let uploader: BlobUploader | undefined;
  return {
    name,
    heldAs: async () => (await places.pushedTo()).name,
    has: async (descriptor, signal) => await hasBlob(await places.pushedTo(), descriptor, signal),
    async putBlob(descriptor, open, signal, notes) {
      uploader ??= new BlobUploader(await places.pushedTo(), options.chunkBytes);
      await uploader.put(descriptor, open, signal, notes);
    },
    async putDocument(descriptor, bytes, names, signal) {
      await putDocument(await places.pushedTo(), descriptor, bytes, names, signal);
    },
    async [Symbol.asyncDispose]() {
      places.close();
    },
  };
}

/** Whether a repository has a blob, of the right size. */
async function hasBlob(client: RegistryClient, { digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
  const response = await client.send("HEAD", `blobs/${digest}`, ACCESS, signal);
  response.body.resume();
  if (response.status === 200) {
    const length = response.headers["content-length"];
    return length === undefined || Number(length) === size;
  }
  if (response.status === 404) return false;
  throw await client.failure(response, `blob ${digest}`);
}

/** Puts a manifest under its digest, or under each of its tags. Throws `REGISTRY` also when the registry keeps it as something else. */
async function putDocument(
  client: RegistryClient,
  descriptor: Descriptor,
  bytes: Uint8Array,
  tags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  let knowsSubjects = false;
  for (const name of tags.length === 0 ? [descriptor.digest] : tags) {
    const what = `manifest ${name === descriptor.digest ? name : `"${name}" (${descriptor.digest})`}`;
    const response = await sendDocument(client, name, what, descriptor, bytes, signal);
    const stored = response.headers["docker-content-digest"];
    if (typeof stored === "string" && stored !== descriptor.digest) {
      throw new BuildError("REGISTRY", `${client.describe(what)}: the registry keeps it as ${stored}`, {
        hint: "it changes manifests; try the other media types",
      });
    }
    knowsSubjects = response.headers["oci-subject"] !== undefined;
  }
  const subject = subjectOf(bytes);
  if (subject !== undefined && !knowsSubjects) await addReferrer(client, subject, descriptor, bytes, signal);
}

// A registry may not see for a moment what it has: docker-registry writes anew, in place, the file that says that a
// repository has a blob, each time that somebody sends this blob there. Whoever puts a manifest meanwhile hears that the
// blob is unknown.
async function sendDocument(
  client: RegistryClient,
  name: string,
  what: string,
  { mediaType }: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const headers = { "content-type": mediaType, "content-length": String(bytes.length) };
  for (let attempt = 0; ; attempt++) {
    const response = await client.send("PUT", manifestPath(name), ACCESS, signal, {
      headers,
      body: () => oneChunk(bytes),
    });
    if (response.status === 201 || response.status === 200 || response.status === 202) {
      response.body.resume();
      return response;
    }
    const failure = await client.failure(response, what);
    const missesBlob = failure instanceof RefusalError && failure.codes.includes("MANIFEST_BLOB_UNKNOWN");
    if (!missesBlob || attempt >= Math.min(client.retry.retries, MOST_LOOKS)) throw failure;
    await sleep(pauseMs(client.retry, attempt, undefined), undefined, { signal }).catch(() => undefined);
  }
}

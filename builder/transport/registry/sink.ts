// A registry as a sink: a repository that takes blobs, manifests and tags.

import type { Descriptor } from "../../core/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import { parseReference } from "../../core/reference.ts";
import type { ImageSink } from "../source.ts";
import { oneChunk } from "./auth.ts";
import type { RegistryOptions } from "./client.ts";
import { manifestPath, RegistryClient } from "./client.ts";

const ACCESS = "pull,push";
const ATTEMPTS = 3;

/** Opens a repository ("docker.io/library/app") for pushing. */
export async function openRegistrySink(repository: string, options: RegistryOptions): Promise<ImageSink> {
  const client = new RegistryClient(parseReference(repository), options);
  return {
    name: `${client.registry}/${client.repository}`,
    has: (descriptor, signal) => hasBlob(client, descriptor, signal),
    putBlob: (descriptor, open, signal) => putBlob(client, descriptor, open, signal),
    putDocument: (descriptor, bytes, names, signal) => putDocument(client, descriptor, bytes, names, signal),
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}

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

// In one piece. What breaks on the way is begun anew: the upload's place is void after a failure.
async function putBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  open: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const what = `blob ${descriptor.digest}`;
  for (let attempt = 1; ; attempt++) {
    const begun = await client.send("POST", "blobs/uploads/", ACCESS, signal, { headers: { "content-length": "0" } });
    begun.body.resume();
    if (begun.status !== 202) throw await client.failure(begun, what);
    const url = client.locationOf(begun, what);
    url.searchParams.set("digest", descriptor.digest);
    const headers = { "content-type": "application/octet-stream", "content-length": String(descriptor.size) };
    try {
      const done = await client.send("PUT", url, ACCESS, signal, { headers, body: open, once: true });
      if (done.status === 201 || done.status === 204) {
        done.body.resume();
        return;
      }
      const failure = await client.failure(done, what);
      if (attempt === ATTEMPTS || done.status < 500) throw failure;
    } catch (error) {
      const isConnection = error instanceof BuildError && error.message.startsWith("cannot reach");
      if (signal.aborted || attempt === ATTEMPTS || !isConnection) throw error;
    }
  }
}

async function putDocument(
  client: RegistryClient,
  descriptor: Descriptor,
  bytes: Uint8Array,
  tags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const headers = { "content-type": descriptor.mediaType, "content-length": String(bytes.length) };
  for (const name of tags.length === 0 ? [descriptor.digest] : tags) {
    const what = `manifest ${name === descriptor.digest ? name : `"${name}" (${descriptor.digest})`}`;
    const response = await client.send("PUT", manifestPath(name), ACCESS, signal, {
      headers,
      body: () => oneChunk(bytes),
    });
    if (response.status !== 201 && response.status !== 200 && response.status !== 202)
      throw await client.failure(response, what);
    response.body.resume();
    const stored = response.headers["docker-content-digest"];
    if (typeof stored === "string" && stored !== descriptor.digest) {
      throw new BuildError("REGISTRY", `${client.describe(what)}: the registry keeps it as ${stored}`, {
        hint: "it changes manifests; try the other media types",
      });
    }
  }
}

// A registry as a source of one image. What comes is measured against digest and size as it comes.

import type { Descriptor } from "../../core/descriptor.ts";
import { MEDIA } from "../../core/descriptor.ts";
import { digestOf, isDigest } from "../../core/digest.ts";
import { BuildError, isSystemError } from "../../core/errors.ts";
import type { Reference } from "../../core/reference.ts";
import { formatReference } from "../../core/reference.ts";
import { parseDocument } from "../../image/read.ts";
import type { ImageSource } from "../source.ts";
import { collect, verifyBytes } from "../source.ts";
import type { RegistryOptions } from "./client.ts";
import { manifestPath, RegistryClient } from "./client.ts";
import type { HttpResponse } from "./http.ts";

export type { RegistryOptions } from "./client.ts";

const DOCUMENT_BYTES = 4 << 20;
const RESUMES = 5;
const ACCEPT = [MEDIA.ociIndex, MEDIA.dockerIndex, MEDIA.ociManifest, MEDIA.dockerManifest].join(", ");

/** Opens an image of a registry; nothing is asked before it is needed. */
export async function openRegistry(reference: Reference, options: RegistryOptions): Promise<ImageSource> {
  const client = new RegistryClient(reference, options);
  const name = formatReference(reference);
  return {
    name,
    top: (signal) => fetchTop(client, reference, name, signal),
    async document(descriptor, signal) {
      const { bytes } = await fetchDocument(client, descriptor.digest, signal);
      verifyBytes(descriptor, bytes, name);
      return bytes;
    },
    blob: (descriptor, signal) => fetchBlobBytes(client, descriptor, signal),
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}

async function fetchTop(
  client: RegistryClient,
  { tag, digest }: Reference,
  name: string,
  signal: AbortSignal,
): Promise<{ descriptor: Descriptor; bytes: Uint8Array }> {
  const { bytes, contentType, headerDigest } = await fetchDocument(client, digest ?? tag ?? "latest", signal);
  const found = digestOf(bytes);
  const promised = digest ?? headerDigest;
  if (promised !== undefined && promised !== found) {
    throw new BuildError("DIGEST_INVALID", `${name}: the registry gave bytes with ${found} for ${promised}`);
  }
  const known = ACCEPT.split(", ").includes(contentType);
  const mediaType = known ? contentType : mediaTypeIn(bytes, name, contentType);
  return { descriptor: { mediaType, digest: found, size: bytes.length }, bytes };
}

async function fetchDocument(
  client: RegistryClient,
  which: string,
  signal: AbortSignal,
): Promise<{ bytes: Uint8Array; contentType: string; headerDigest: string | undefined }> {
  const what = `manifest ${which}`;
  const response = await client.send("GET", manifestPath(which), "pull", signal, { headers: { accept: ACCEPT } });
  if (response.status === 404) {
    const failure = await client.failure(response, what);
    throw new BuildError("INPUT_MISSING", failure.message, { hint: "is the name right, and the tag?" });
  }
  const contentType = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (response.status !== 200 || contentType === "text/html") throw await client.failure(response, what);
  const bytes = await collect(response.body, DOCUMENT_BYTES, client.describe(what));
  const header = response.headers["docker-content-digest"];
  return { bytes, contentType, headerDigest: typeof header === "string" && isDigest(header) ? header : undefined };
}

function mediaTypeIn(bytes: Uint8Array, name: string, contentType: string): string {
  const document = parseDocument(bytes, name, contentType);
  return document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
}

// A connection that breaks is taken up where it broke (RFC 9110, Range).
async function* fetchBlobBytes(
  client: RegistryClient,
  descriptor: Descriptor,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const { digest, size } = descriptor;
  const what = `blob ${digest}`;
  let position = 0;
  for (let resumes = 0; ;) {
    const headers: Record<string, string> = position === 0 ? {} : { range: `bytes=${position}-` };
    const response = await client.send("GET", `blobs/${digest}`, "pull", signal, { headers });
    if (response.status !== 200 && response.status !== 206) throw await client.failure(response, what);
    checkLength(client, response, descriptor, position);
    let skip = response.status === 200 ? position : 0;
    try {
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        const fresh = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - fresh.length;
        if (fresh.length === 0) continue;
        position += fresh.length;
        if (position > size)
          throw new BuildError("DIGEST_INVALID", `${client.describe(what)}: more than its ${size} bytes came`);
        yield fresh;
      }
      if (position === size) return;
      throw new BuildError("DIGEST_INVALID", `${client.describe(what)}: ${position} of ${size} bytes came`);
    } catch (error) {
      if (signal.aborted || !isBroken(error) || ++resumes > RESUMES) throw named(client, what, error);
    }
  }
}

function checkLength(
  client: RegistryClient,
  response: HttpResponse,
  { digest, size }: Descriptor,
  position: number,
): void {
  const length = Number(response.headers["content-length"] ?? Number.NaN);
  const expected = response.status === 206 ? size - position : size;
  if (!Number.isNaN(length) && length !== expected && response.headers["content-encoding"] === undefined) {
    response.body.destroy();
    throw new BuildError(
      "DIGEST_INVALID",
      `${client.describe(`blob ${digest}`)}: the registry gives ${length} bytes, the manifest says ${expected}`,
    );
  }
}

function isBroken(error: unknown): boolean {
  return isSystemError(error) || (error instanceof Error && error.message === "aborted");
}

function named(client: RegistryClient, what: string, error: unknown): unknown {
  if (error instanceof BuildError || !isBroken(error)) return error;
  return new BuildError("REGISTRY", `${client.describe(what)}: the connection broke ${RESUMES + 1} times`, {
    cause: error,
  });
}

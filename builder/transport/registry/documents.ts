// Manifests and indexes of a repository: asked for by tag or digest, of bounded size, and what they are called is what
// their bytes have.

import type { IncomingHttpHeaders } from "node:http";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf, isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { mediaTypeIn } from "../source.ts";
import type { RegistryClient } from "./client.ts";
import { manifestPath } from "./client.ts";
import type { Repository } from "./repository.ts";
import { insteadOfTag } from "./tags.ts";
import { readWhole } from "./http/whole-answer.ts";
import { notThere } from "./http/failure.ts";

/** The most that a registry must take (distribution-spec, Pushing Manifests), and the most that we read. */
const DOCUMENT_BYTES = 4 << 20;

const TYPES: readonly string[] = [MEDIA.ociIndex, MEDIA.dockerIndex, MEDIA.ociManifest, MEDIA.dockerManifest];
const ACCEPT = TYPES.join(", ");

/** What a name points to; size and type where they are known without its bytes. */
export type Resolved = Pick<Descriptor, "digest"> & Partial<Descriptor>;

/**
 * Asks by HEAD what a tag points to. Undefined when the registry does not say it that way: a GET then tells more.
 * Throws `REGISTRY` when no place answers.
 */
export async function resolveTag(
  repository: Repository,
  tag: string,
  signal: AbortSignal,
): Promise<Resolved | undefined> {
  try {
    return await repository.read("tag", `manifest ${tag}`, signal, (client) => headTag(client, tag, signal));
  } catch (error) {
    if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
    throw error;
  }
}

/** The manifest or index that a tag or digest names, from the first place that has it. Throws `INPUT_MISSING`, `REGISTRY`, `DIGEST_INVALID`. */
export async function fetchDocument(
  repository: Repository,
  which: string,
  signal: AbortSignal,
): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }> {
  const by = isDigest(which) ? "digest" : "tag";
  try {
    return await repository.read(by, `manifest ${which}`, signal, (client) => getDocument(client, which, signal));
  } catch (error) {
    if (by === "digest" || !(error instanceof BuildError) || error.code !== "INPUT_MISSING") throw error;
    const hint = await insteadOfTag(await repository.registry(), which, signal);
    throw new BuildError("INPUT_MISSING", error.message, { cause: error, hint });
  }
}

/** The same, from one place. */
export async function getDocument(
  client: RegistryClient,
  which: string,
  signal: AbortSignal,
): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }> {
  const what = `manifest ${which}`;
  const { response, bytes } = await readWhole(
    () => client.send("GET", manifestPath(which), "pull", signal, { headers: { accept: ACCEPT } }),
    {
      maxBytes: DOCUMENT_BYTES,
      what: client.describe(what),
      retry: client.retry,
      signal,
      wants({ status, headers }) {
        if (status !== 200 || contentTypeOf(headers) === "text/html") return false;
        checkSize(client, what, Number(headers["content-length"] ?? 0));
        return true;
      },
    },
  );
  if (bytes === undefined) {
    const failure = await client.failure(response, what);
    if (response.status !== 404) throw failure;
    throw notThere(failure, which);
  }
  const contentType = contentTypeOf(response.headers);
  const promised = isDigest(which) ? which : promisedDigest(response.headers);
  const digest = digestOf(bytes);
  if (promised !== undefined && promised !== digest) {
    throw new BuildError(
      "DIGEST_INVALID",
      `${client.describe(what)}: the registry gave bytes with ${digest} for ${promised}`,
    );
  }
  const mediaType = mediaTypeIn(bytes, client.describe(what), contentType);
  // Whoever goes by the header would read another image than whoever goes by the bytes (CVE-2021-41190).
  if (TYPES.includes(contentType) && contentType !== mediaType) {
    throw new BuildError(
      "DIGEST_INVALID",
      `${client.describe(what)}: the registry calls it "${contentType}", but it is "${mediaType}"`,
    );
  }
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

async function headTag(client: RegistryClient, tag: string, signal: AbortSignal): Promise<Resolved | undefined> {
  const what = `manifest ${tag}`;
  const response = await client.send("HEAD", manifestPath(tag), "pull", signal, { headers: { accept: ACCEPT } });
  const { status, headers } = response;
  if (status === 401 || status === 429 || status >= 500) throw await client.failure(response, what);
  response.body.resume();
  if (status === 404)
    throw new BuildError("INPUT_MISSING", `${client.describe(what)}: "${response.url.host}" answered HTTP 404`);
  const digest = promisedDigest(headers);
  if (status !== 200 || digest === undefined) return undefined;
  const [contentType, size] = [contentTypeOf(headers), Number(headers["content-length"] ?? Number.NaN)];
  checkSize(client, what, size);
  return {
    digest,
    ...(TYPES.includes(contentType) ? { mediaType: contentType } : {}),
    ...(Number.isSafeInteger(size) && size > 0 ? { size } : {}),
  };
}

function checkSize(client: RegistryClient, what: string, size: number): void {
  if (size <= DOCUMENT_BYTES || Number.isNaN(size)) return;
  throw new BuildError(
    "DIGEST_INVALID",
    `${client.describe(what)} is larger than ${DOCUMENT_BYTES} bytes: the registry says ${size}`,
    { hint: "no manifest is that large: is the registry what it should be?" },
  );
}

function promisedDigest(headers: IncomingHttpHeaders): Digest | undefined {
  const header = headers["docker-content-digest"];
  return typeof header === "string" && isDigest(header) ? header : undefined;
}

function contentTypeOf(headers: IncomingHttpHeaders): string {
  return (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

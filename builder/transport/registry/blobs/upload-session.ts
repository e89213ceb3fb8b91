// An upload as the registry keeps it: begun, asked about, moved on. Every answer names the place for the next request.

import type { Descriptor } from "../../../core/image/descriptor.ts";
import { BuildError } from "../../../core/errors.ts";
import type { RegistryClient } from "../client.ts";
import { discard } from "../http/http.ts";
import type { HttpResponse } from "../http/http.ts";

const ACCESS = "pull,push";
const EMPTY = { "content-length": "0" };

/** Where an upload stands. */
export interface UploadSession {
  url: URL;
  /** Bytes that the registry has. */
  position: number;
  /** OCI-Chunk-Min-Length. */
  readonly smallestChunkBytes: number;
}

/** Begins an upload, unless the blob can be mounted from `sharer`, another repository of the registry. Throws `REGISTRY`. */
export async function beginUpload(
  client: RegistryClient,
  { digest }: Descriptor,
  sharer: string | undefined,
  signal: AbortSignal,
): Promise<UploadSession | "mounted"> {
  const what = `blob ${digest}`;
  if (sharer !== undefined) {
    const mounted = await mount(client, digest, sharer, signal);
    if (mounted?.status === 201) return "mounted";
    if (mounted?.status === 202) return begun(client, mounted, what);
  }
  const response = await client.send("POST", "blobs/uploads/", ACCESS, signal, { headers: EMPTY });
  if (response.status !== 202) throw await client.failure(response, what);
  response.body.resume();
  return begun(client, response, what);
}

/** Asks where an upload stands (GET, 204 with Range); undefined when the registry does not know it any more. */
export async function resumeUpload(
  client: RegistryClient,
  { size }: Descriptor,
  url: URL,
  signal: AbortSignal,
): Promise<UploadSession | undefined> {
  try {
    const response = await client.send("GET", url, ACCESS, signal);
    discard(response);
    if (response.status !== 204 && response.status !== 202) return undefined;
    const position = positionIn(response);
    if (position === undefined || position > size) return undefined;
    const { location } = response.headers;
    const next = location !== undefined && URL.canParse(location, url.href) ? new URL(location, response.url) : url;
    return { url: next, position, smallestChunkBytes: smallestChunk(response) };
  } catch (error) {
    if (signal.aborted || !(error instanceof BuildError)) throw error;
    return undefined;
  }
}

/** Where an upload stands after a chunk that ends at `to`. Throws `REGISTRY` when the answer makes no sense. */
export function sessionAfter(
  client: RegistryClient,
  response: HttpResponse,
  { digest }: Descriptor,
  before: UploadSession,
  to: number,
): UploadSession {
  const what = `blob ${digest}`;
  const position = positionIn(response) ?? to;
  if (position > to)
    throw new BuildError("REGISTRY", `${client.describe(what)}: ${to} bytes were sent, the registry has ${position}`);
  return { ...before, url: client.locationOf(response, what), position };
}

async function mount(
  client: RegistryClient,
  digest: string,
  sharer: string,
  signal: AbortSignal,
): Promise<HttpResponse | undefined> {
  const target = `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(sharer)}`;
  try {
    const response = await client.send("POST", target, ACCESS, signal, { headers: EMPTY, alsoReads: sharer });
    discard(response);
    return response;
  } catch (error) {
    // It is only a shorter way: whoever may not read the other repository sends the bytes.
    if (signal.aborted || !(error instanceof BuildError)) throw error;
    return undefined;
  }
}

function begun(client: RegistryClient, response: HttpResponse, what: string): UploadSession {
  return { url: client.locationOf(response, what), position: 0, smallestChunkBytes: smallestChunk(response) };
}

function smallestChunk({ headers }: HttpResponse): number {
  const text = String(headers["oci-chunk-min-length"] ?? "");
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}

/** The bytes that a Range header ("0-1023") says are there; "0-0" is what registries say of none. */
function positionIn({ headers }: HttpResponse): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(String(headers.range ?? "").trim()) ?? [];
  return last === undefined ? undefined : Number(last) === 0 ? 0 : Number(last) + 1;
}

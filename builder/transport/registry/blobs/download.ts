// The bytes of a blob, from wherever they can be had. A connection that breaks is taken up where it broke (RFC 9110,
// Range), at the same place or at the next one.

import { setTimeout as sleep } from "node:timers/promises";
import type { Descriptor } from "../../../core/image/descriptor.ts";
import { BuildError } from "../../../core/errors.ts";
import { bodyChunks } from "../http/body-chunks.ts";
import type { RegistryClient } from "../client.ts";
import type { HttpResponse } from "../http/http.ts";
import { discard, isBroken } from "../http/http.ts";
import type { Failure, Repository } from "../repository.ts";
import { mayBeElsewhere } from "../repository.ts";
import { pauseMs } from "../http/retry.ts";

/** A connection that breaks again and again is patiently taken up as long as it brings so much each time. */
const PROGRESS_BYTES = 1 << 20;

/**
 * The bytes of a blob from `from` on; `onGiver` is told of each place that gives some. Their digest is the caller's to
 * check. Throws what the places say when none gives them all.
 */
export async function* downloadBlob(
  repository: Repository,
  descriptor: Descriptor,
  from: number,
  signal: AbortSignal,
  onGiver: (client: RegistryClient) => void,
): AsyncIterable<Uint8Array> {
  const { digest, size } = descriptor;
  const what = `blob ${digest}`;
  const failures: Failure[] = [];
  let position = from;
  for (const client of await repository.places("digest", digest)) {
    for (let broken = 0, begun = position; ;) {
      try {
        for await (const chunk of bytesFrom(client, descriptor, position, signal)) {
          onGiver(client);
          position += chunk.length;
          yield chunk;
        }
        if (position === size) return;
        throw new CutError(`${position} of ${size} bytes came`);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const isCut = error instanceof CutError || isBroken(error);
        if (isCut && position - begun >= PROGRESS_BYTES) [broken, begun] = [0, position];
        if (isCut && broken++ < client.retry.retries) {
          await sleep(pauseMs(client.retry, broken - 1, undefined), undefined, { signal }).catch(() => undefined);
          continue;
        }
        const failure = isCut ? brokenOff(client, what, broken, error) : error;
        if (!mayBeElsewhere(failure)) throw failure;
        failures.push({ client, error: failure });
        repository.leave(client, failure);
        break;
      }
    }
  }
  throw await repository.inVain(what, failures);
}

/** The transfer ended before its end, in good order. */
class CutError extends Error {}

async function* bytesFrom(
  client: RegistryClient,
  descriptor: Descriptor,
  from: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const { digest, size } = descriptor;
  const what = `blob ${digest}`;
  const ranged = from === 0 ? {} : { headers: { range: `bytes=${from}-` } };
  let response = await client.send("GET", `blobs/${digest}`, "pull", signal, ranged);
  if (response.status === 416 && from > 0) {
    discard(response);
    response = await client.send("GET", `blobs/${digest}`, "pull", signal);
  }
  if (response.status !== 200 && response.status !== 206) throw await client.failure(response, what);
  if (isPage(response, size - from)) throw await client.failure(response, what);
  const start = startOfBytes(client, response, descriptor, from);
  let position = start;
  for await (const chunk of bodyChunks(response.body)) {
    const fresh = chunk.subarray(Math.max(0, Math.min(from - position, chunk.length)));
    position += chunk.length;
    if (position > size)
      throw new BuildError("DIGEST_INVALID", `${client.describe(what)}: more than its ${size} bytes came`);
    if (fresh.length > 0) yield fresh;
  }
}

/** Whether somebody else answered, with a page of a site. A blob may be one too: then it has the blob's length. */
function isPage({ headers }: HttpResponse, wantedBytes: number): boolean {
  return (headers["content-type"] ?? "").includes("text/html") && Number(headers["content-length"]) !== wantedBytes;
}

/** Where in the blob an answer's body starts; throws `DIGEST_INVALID` when it is not of the length that it must have. */
function startOfBytes(
  client: RegistryClient,
  response: HttpResponse,
  { digest, size }: Descriptor,
  from: number,
): number {
  const { status, headers } = response;
  const fail = (why: string): never => {
    discard(response);
    throw new BuildError("DIGEST_INVALID", `${client.describe(`blob ${digest}`)}: ${why}`);
  };
  // A server that knows no ranges gives the whole.
  const start = status === 206 ? from : 0;
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
  if (status === 206 && first !== undefined && Number(first) !== from)
    return fail(`the registry gives bytes from ${first} on, ${from} was asked for`);
  if (status === 206 && total !== undefined && total !== "*" && Number(total) !== size)
    return fail(`the registry has ${total} bytes, the manifest says ${size}`);
  const length = Number(headers["content-length"] ?? Number.NaN);
  if (!Number.isNaN(length) && length !== size - start && headers["content-encoding"] === undefined)
    return fail(`the registry gives ${length} bytes, the manifest says ${size - start}`);
  return start;
}

function brokenOff(client: RegistryClient, what: string, times: number, error: unknown): BuildError {
  if (error instanceof CutError) return new BuildError("DIGEST_INVALID", `${client.describe(what)}: ${error.message}`);
  return new BuildError("REGISTRY", `${client.describe(what)}: the connection broke ${times} times`, { cause: error });
}

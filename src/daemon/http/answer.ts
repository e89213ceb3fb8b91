// How requests of HTTP/1.1 are answered: JSON, bytes, streams that wait for their reader, and errors as docker's clients
// read them.

import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { asBuildError } from "../../../builder/core/errors.ts";
import type { BuildError } from "../../../builder/core/errors.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";

/** An answer that is an error: its status, and a sentence for the person. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "HttpError";
    this.status = status;
  }
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendBytes(response, status, "application/json", Buffer.from(`${JSON.stringify(value)}\n`));
}

/** Answers with bytes. */
export function sendBytes(response: ServerResponse, status: number, contentType: string, bytes: Uint8Array): void {
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": bytes.length });
  response.end(bytes);
}

/** Writes a piece of an answer, and waits until there is room for another. Throws when the client has gone. */
export async function write(response: ServerResponse, chunk: string | Uint8Array): Promise<void> {
  if (response.destroyed) throw new HttpError(499, "the client has gone");
  if (response.write(chunk)) return;
  const settled = new AbortController();
  const { signal } = settled;
  try {
    await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]);
  } finally {
    settled.abort();
  }
  if (response.destroyed) throw new HttpError(499, "the client has gone");
}

/** The status and the text for what a handler threw. */
export function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof RpcError) return new HttpError(STATUS_OF_RPC.get(error.status.code) ?? 500, error.message);
  const known = asBuildError(error);
  return new HttpError(statusOf(known), errorText(known));
}

/** An error's text as clients are told it: what failed, and what to do. */
export function errorText({ code, message, hint, others }: BuildError): string {
  // Of a failed RUN the hint is a command for this machine, where the client is not.
  const text = hint === undefined || code === "RUN_FAILED" ? message : `${message} (${hint})`;
  return [text, ...others.map((other) => other.message)].join("\n");
}

const STATUS_OF_RPC: ReadonlyMap<number, number> = new Map([
  [CODE.cancelled, 499],
  [CODE.invalidArgument, 400],
  [CODE.notFound, 404],
  [CODE.alreadyExists, 409],
  [CODE.permissionDenied, 403],
  [CODE.failedPrecondition, 409],
  [CODE.unimplemented, 501],
  [CODE.unavailable, 503],
]);

function statusOf({ code }: BuildError): number {
  switch (code) {
    case "USAGE":
    case "DOCKERFILE":
    case "CONTEXT":
    case "REFERENCE_INVALID":
    case "DIGEST_INVALID":
    case "ARCHIVE_INVALID":
      return 400;
    case "INPUT_MISSING":
      return 404;
    case "CANCELLED":
      return 499;
    case "UNSUPPORTED":
      return 501;
    case "INTERNAL":
    case "REGISTRY":
    case "RUN_FAILED":
    case "SANDBOX":
    case "OUTPUT":
    case "SECRET_IN_RESULT":
    case "STORE":
    case "PUSH":
    case "CONFIG":
      return 500;
  }
}

const LARGEST_JSON_BYTES = 4 << 20;

/** A request's body as JSON. Throws `HttpError`: 400 for what is none or ends early, 413 for what is too large. */
export async function readJson(body: Readable): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) continue;
      size += chunk.length;
      if (size > LARGEST_JSON_BYTES) throw new HttpError(413, `the body is larger than ${LARGEST_JSON_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "the body ends early");
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new HttpError(400, "the body is no JSON");
  }
}

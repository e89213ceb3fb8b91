// A bucket that speaks S3's protocol to the letter, in memory: signatures are verified, parts have sizes and tags, what is
// asked wrongly is refused.

import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { listenOnLoopback } from "../loopback.ts";
import { signatureFault } from "./aws-signature.ts";

export interface S3StandinOptions {
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Parts but the last must have it (5 MiB at Amazon's). */
  readonly leastPartBytes?: number;
}

export interface StoredObject {
  bytes: Buffer;
  modifiedMs: number;
}

export interface S3Standin extends AsyncDisposable {
  readonly url: string;
  readonly objects: Map<string, StoredObject>;
  /** Uploads that were begun and neither ended nor taken back. */
  readonly uploads: Map<string, Upload>;
  /** "PUT blobs/sha256:…", in the order they came. */
  readonly asked: string[];
  /** Answers with this status where it gives one: "PUT", the key. */
  fail: ((method: string, key: string, query: URLSearchParams) => number | undefined) | undefined;
}

interface Upload {
  readonly key: string;
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>;
}

const LEAST_PART = 5 << 20;
const PAGE = 2;

/** Starts one on a loopback port; its bucket is named in the path. */
export async function startS3Standin(options: S3StandinOptions, port = 0): Promise<S3Standin> {
  const state = { objects: new Map<string, StoredObject>(), uploads: new Map<string, Upload>(), asked: [] as string[], fail: undefined as S3Standin["fail"] }; // prettier-ignore
  const server = createServer((request, response) => {
    answer(request, response, options, state).catch((error: unknown) => refuse(response, 500, `InternalError: ${String(error)}`)); // prettier-ignore
  });
  const listening = await listenOnLoopback(server, port);
  return Object.assign(state, { url: listening.url, [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose]() });
}

type State = Pick<S3Standin, "objects" | "uploads" | "asked" | "fail">;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: S3StandinOptions,
  state: State,
): Promise<void> {
  // prettier-ignore
  const { method = "GET", url: target = "/", headers } = request;
  const body = await buffer(request);
  const { pathname, searchParams: query } = new URL(target, "http://x");
  const fault = signatureFault({ method, target, headers, body }, { ...options, service: "s3", nowMs: Date.now() });
  const [, bucket = "", ...rest] = pathname.split("/").map(decodeURIComponent);
  const key = rest.join("/");
  state.asked.push(`${method} ${key}`);
  if (fault !== undefined) return refuse(response, fault.startsWith("Auth") ? 400 : 403, fault);
  if (bucket !== options.bucket) return refuse(response, 404, "NoSuchBucket: there is no such bucket");
  const failing = state.fail?.(method, key, query);
  if (failing !== undefined) return refuse(response, failing, "SlowDown: asked to fail");
  if (key === "") return method === "GET" && query.get("list-type") === "2" ? list(response, query, state) : refuse(response, 405, "MethodNotAllowed"); // prettier-ignore
  if (method === "HEAD" || method === "GET") return give(request, response, key, state);
  if (query.has("uploads") || query.has("uploadId")) return part(method, body, headers, response, key, query, options, state); // prettier-ignore
  if (method !== "PUT") return refuse(response, 405, "MethodNotAllowed");
  if (headers["content-length"] === undefined) return refuse(response, 411, "MissingContentLength");
  const source = sourceOf(headers, state, options);
  if (source === null) return refuse(response, 404, "NoSuchKey: nothing to copy");
  if (source !== undefined && headers["x-amz-metadata-directive"] !== "REPLACE") return refuse(response, 400, "InvalidRequest: a copy onto itself that changes nothing"); // prettier-ignore
  state.objects.set(key, { bytes: source ?? body, modifiedMs: Date.now() });
  const etag = tagOf(source ?? body);
  if (source === undefined) response.writeHead(200, { etag }).end();
  else xml(response, 200, `<CopyObjectResult><ETag>${etag.replaceAll('"', "&quot;")}</ETag></CopyObjectResult>`);
}

function give({ method, headers }: IncomingMessage, response: ServerResponse, key: string, { objects }: State): void {
  const object = objects.get(key);
  if (object === undefined) {
    if (method === "HEAD") response.writeHead(404).end();
    else refuse(response, 404, "NoSuchKey: The specified key does not exist.");
    return;
  }
  const { bytes, modifiedMs } = object;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  const start = Number(from ?? 0);
  if (start > 0 && start >= bytes.length) return refuse(response, 416, "InvalidRange");
  const end = to === undefined || to === "" ? bytes.length : Math.min(Number(to) + 1, bytes.length);
  const part = bytes.subarray(start, end);
  response.writeHead(from === undefined ? 200 : 206, {
    "content-length": part.length,
    "last-modified": new Date(modifiedMs).toUTCString(),
    etag: tagOf(bytes),
    ...(from === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  response.end(method === "HEAD" ? undefined : part);
}

function list(response: ServerResponse, query: URLSearchParams, { objects }: State): void {
  const keys = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "")).sort();
  const from = Number(query.get("continuation-token") ?? 0);
  const page = keys.slice(from, from + PAGE);
  const isCut = from + PAGE < keys.length;
  const escaped = page.map((key) => `<Contents><Key>${key.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</Key></Contents>`); // prettier-ignore
  xml(response, 200, `<ListBucketResult><IsTruncated>${isCut}</IsTruncated>${escaped.join("")}${isCut ? `<NextContinuationToken>${from + PAGE}</NextContinuationToken>` : ""}</ListBucketResult>`); // prettier-ignore
}

function part(
  method: string,
  body: Buffer,
  headers: IncomingMessage["headers"],
  response: ServerResponse,
  key: string,
  query: URLSearchParams,
  options: S3StandinOptions,
  state: State,
): void {
  // prettier-ignore
  const { uploads, objects } = state;
  if (method === "POST" && query.has("uploads")) {
    const id = randomUUID();
    uploads.set(id, { key, parts: new Map() });
    return xml(response, 200, `<InitiateMultipartUploadResult><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`); // prettier-ignore
  }
  const id = query.get("uploadId") ?? "";
  const upload = uploads.get(id);
  if (upload?.key !== key) return refuse(response, 404, "NoSuchUpload");
  if (method === "DELETE") {
    uploads.delete(id);
    response.writeHead(204).end();
    return;
  }
  if (method === "PUT") {
    const number = Number(query.get("partNumber"));
    if (!(number >= 1 && number <= 10_000)) return refuse(response, 400, "InvalidArgument: partNumber");
    const source = sourceOf(headers, state, options);
    if (source === null) return refuse(response, 404, "NoSuchKey: nothing to copy");
    const etag = tagOf(source ?? body);
    upload.parts.set(number, { bytes: source ?? body, etag });
    if (source === undefined) response.writeHead(200, { etag }).end();
    else xml(response, 200, `<CopyPartResult><ETag>${etag.replaceAll('"', "&quot;")}</ETag></CopyPartResult>`);
    return;
  }
  const named = [...body.toString("utf8").matchAll(/<Part>.*?<\/Part>/gs)].map(([text]) => ({ number: Number(/<PartNumber>(\d+)</.exec(text)?.[1]), etag: /<ETag>([^<]*)</.exec(text)?.[1]?.replaceAll("&quot;", '"').replaceAll("&#34;", '"') ?? "" })); // prettier-ignore
  const parts = named.map(({ number, etag }) => ({ number, stated: etag, ...upload.parts.get(number) }));
  if (parts.length === 0) return refuse(response, 400, "MalformedXML");
  for (const [at, one] of parts.entries()) {
    if (one.bytes === undefined || one.etag?.replaceAll('"', "") !== one.stated.replaceAll('"', "")) return refuse(response, 400, `InvalidPart: ${one.number}`); // prettier-ignore
    if (at > 0 && one.number <= (parts[at - 1]?.number ?? 0)) return refuse(response, 400, "InvalidPartOrder");
    if (at < parts.length - 1 && one.bytes.length < (options.leastPartBytes ?? LEAST_PART)) return refuse(response, 400, "EntityTooSmall"); // prettier-ignore
  }
  uploads.delete(id);
  const bytes = Buffer.concat(parts.flatMap((one) => (one.bytes === undefined ? [] : [one.bytes])));
  objects.set(key, { bytes, modifiedMs: Date.now() });
  xml(response, 200, `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>"x-${parts.length}"</ETag></CompleteMultipartUploadResult>`); // prettier-ignore
}

/** Undefined: nothing is copied; null: there is no such object. */
function sourceOf(
  headers: IncomingMessage["headers"],
  { objects }: State,
  { bucket }: S3StandinOptions,
): Buffer | null | undefined {
  // prettier-ignore
  const header = headers["x-amz-copy-source"];
  if (header === undefined) return undefined;
  const name = decodeURIComponent(String(header)).replace(/^\//, "");
  const bytes = name.startsWith(`${bucket}/`) ? objects.get(name.slice(bucket.length + 1))?.bytes : undefined;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(String(headers["x-amz-copy-source-range"] ?? "")) ?? [];
  return from === undefined ? (bytes ?? null) : (bytes?.subarray(Number(from), Number(to) + 1) ?? null);
}

function tagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

function refuse(response: ServerResponse, status: number, fault: string): void {
  const [code = "", message = ""] = fault.split(/: (.*)/s);
  xml(response, status, `<Error><Code>${code}</Code><Message>${message.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</Message></Error>`); // prettier-ignore
}

function xml(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "content-type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`); // prettier-ignore
}

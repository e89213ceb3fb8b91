// Azure's blob storage in memory, to the letter of its protocol: the key's signature, a token or a shared access signature
// is verified; blocks are listed before they are a blob.

import { createHmac } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { listenOnLoopback } from "../loopback.ts";

export interface AzureStandinOptions {
  readonly account: string;
  /** Base64. */
  readonly key: string;
  /** A token that is taken in place of the key. */
  readonly token?: string;
  /** The value of `sig` that is taken in a URL. */
  readonly sig?: string;
  /** Containers that are there; others have to be made. */
  readonly containers?: readonly string[];
}

export interface AzureStandin extends AsyncDisposable {
  /** Of the account, as Azurite has it: "http://127.0.0.1:40001/account". */
  readonly url: string;
  readonly containers: Set<string>;
  /** By "container/name". */
  readonly blobs: Map<string, Buffer>;
  /** "PUT container/name comp=block", in the order they came. */
  readonly asked: string[];
  /** Refuses where it gives a status. */
  fail: ((method: string, name: string, query: URLSearchParams) => number | undefined) | undefined;
}

/** Starts one on a loopback port. */
export async function startAzureStandin(options: AzureStandinOptions, port = 0): Promise<AzureStandin> {
  const state: State = {
    containers: new Set(options.containers),
    blobs: new Map(),
    blocks: new Map(),
    asked: [],
    fail: undefined,
  };
  const server = createServer((request, response) => {
    answer(request, response, options, state).catch((error: unknown) => refuse(response, 500, `InternalError ${String(error)}`)); // prettier-ignore
  });
  const listening = await listenOnLoopback(server, port);
  return Object.assign(state, {
    url: `${listening.url}/${options.account}`,
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  });
}

interface State {
  readonly containers: Set<string>;
  readonly blobs: Map<string, Buffer>;
  readonly blocks: Map<string, Map<string, Buffer>>;
  readonly asked: string[];
  fail: AzureStandin["fail"];
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AzureStandinOptions,
  state: State,
): Promise<void> {
  const { method = "GET", url: target = "/", headers } = request;
  const body = await buffer(request);
  const { pathname, searchParams: query } = new URL(target, "http://x");
  const [, account, container = "", ...rest] = pathname.split("/").map(decodeURIComponent);
  const name = [container, ...rest].join("/");
  state.asked.push(`${method} ${name}${query.has("comp") ? ` comp=${query.get("comp") ?? ""}` : ""}`);
  const fault = account !== options.account ? "ResourceNotFound" : proofFault(request, target, options);
  if (fault !== undefined) return refuse(response, 403, fault);
  const failing = state.fail?.(method, name, query);
  if (failing !== undefined) return refuse(response, failing, "ServerBusy");
  if (query.get("restype") === "container") return ofContainer(method, response, container, state);
  if (!state.containers.has(container)) return refuse(response, 404, "ContainerNotFound");
  if (method === "GET" || method === "HEAD") return give(request, response, state.blobs.get(name));
  if (method !== "PUT") return refuse(response, 405, "UnsupportedHttpVerb");
  if (headers["content-length"] === undefined) return refuse(response, 411, "MissingContentLengthHeader");
  const comp = query.get("comp");
  if (comp === "block") return putBlock(response, query.get("blockid") ?? "", body, blocksOf(state, name));
  if (headers["if-none-match"] === "*" && state.blobs.has(name)) return refuse(response, 409, "BlobAlreadyExists");
  if (comp === "blocklist") {
    const named = [...body.toString().matchAll(/<(?:Latest|Uncommitted)>([^<]*)</g)].map(([, id = ""]) => id);
    const blocks = named.map((id) => blocksOf(state, name).get(id));
    if (blocks.some((block) => block === undefined)) return refuse(response, 400, "InvalidBlockList");
    state.blobs.set(name, Buffer.concat(blocks.filter((block) => block !== undefined)));
    state.blocks.delete(name);
  } else {
    if (headers["x-ms-blob-type"] !== "BlockBlob") return refuse(response, 400, "MissingRequiredHeader");
    state.blobs.set(name, body);
  }
  response.writeHead(201, { "x-ms-request-id": "1", etag: '"1"' }).end();
}

function ofContainer(method: string, response: ServerResponse, container: string, { containers }: State): void {
  if (method === "PUT") {
    if (containers.has(container)) return refuse(response, 409, "ContainerAlreadyExists");
    containers.add(container);
    response.writeHead(201).end();
  } else if (containers.has(container)) response.writeHead(200, { etag: '"1"' }).end();
  else refuse(response, 404, "ContainerNotFound");
}

function putBlock(response: ServerResponse, id: string, body: Buffer, blocks: Map<string, Buffer>): void {
  const [first] = blocks.keys();
  const isBase64 = id !== "" && Buffer.from(id, "base64").toString("base64") === id;
  if (!isBase64 || (first !== undefined && first.length !== id.length) || body.length === 0)
    return refuse(response, 400, "InvalidQueryParameterValue");
  blocks.set(id, body);
  response.writeHead(201).end();
}

function blocksOf({ blocks }: State, name: string): Map<string, Buffer> {
  const known = blocks.get(name) ?? new Map<string, Buffer>();
  blocks.set(name, known);
  return known;
}

function give({ method, headers }: IncomingMessage, response: ServerResponse, bytes: Buffer | undefined): void {
  if (bytes === undefined) return refuse(response, 404, "BlobNotFound", method === "HEAD");
  const range = headers["x-ms-range"] ?? headers.range;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(String(range ?? "")) ?? [];
  const start = Number(from ?? 0);
  if (start > 0 && start >= bytes.length) return refuse(response, 416, "InvalidRange");
  const part = bytes.subarray(start, to === undefined || to === "" ? undefined : Number(to) + 1);
  response.writeHead(from === undefined ? 200 : 206, {
    "content-length": part.length,
    "x-ms-blob-type": "BlockBlob",
    "last-modified": new Date().toUTCString(),
    etag: '"1"',
    ...(from === undefined ? {} : { "content-range": `bytes ${start}-${start + part.length - 1}/${bytes.length}` }),
  });
  response.end(method === "HEAD" ? undefined : part);
}

/** Why a request is not believed. */
function proofFault(request: IncomingMessage, target: string, options: AzureStandinOptions): string | undefined {
  const { headers } = request;
  const url = new URL(target, "http://x");
  if (headers["x-ms-version"] === undefined) return "MissingRequiredHeader: x-ms-version";
  const { authorization = "" } = headers;
  if (authorization === "")
    return options.sig !== undefined && url.searchParams.get("sig") === options.sig ? undefined : "NoAuthenticationInformation"; // prettier-ignore
  if (authorization.startsWith("Bearer "))
    return authorization === `Bearer ${options.token ?? ""}` ? undefined : "InvalidAuthenticationInfo";
  const dateMs = Date.parse(String(headers["x-ms-date"]));
  if (!(Math.abs(dateMs - Date.now()) < 15 * 60_000)) return "AuthenticationFailed: the date";
  const [, account, signature] = /^SharedKey ([^:]+):(.+)$/.exec(authorization) ?? [];
  const wanted = createHmac("sha256", Buffer.from(options.key, "base64")).update(toSign(request, url, options.account)).digest("base64"); // prettier-ignore
  return account === options.account && signature === wanted ? undefined : "AuthenticationFailed: the signature";
}

/** The specification's "StringToSign" of 2015-02-21 and later. */
function toSign({ method = "", headers }: IncomingMessage, url: URL, account: string): string {
  const lines: string[] = [method];
  for (const name of [
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
  ])
    // prettier-ignore
    lines.push(String(headers[name.toLowerCase()] ?? ""));
  if (lines[3] === "0") lines[3] = "";
  for (const name of Object.keys(headers).filter((one) => one.startsWith("x-ms-")).sort()) lines.push(`${name}:${String(headers[name]).trim()}`); // prettier-ignore
  lines.push(`/${account}${url.pathname}`);
  for (const name of [...new Set([...url.searchParams.keys()].map((key) => key.toLowerCase()))].sort())
    lines.push(`${name}:${url.searchParams.getAll(name).sort().join(",")}`);
  return lines.join("\n");
}

function refuse(response: ServerResponse, status: number, fault: string, isHead = false): void {
  const [code = "", message = ""] = fault.split(/: ?(.*)/s);
  response.writeHead(status, { "content-type": "application/xml", "x-ms-error-code": code });
  response.end(isHead ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`); // prettier-ignore
}

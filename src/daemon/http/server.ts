// The serving side of HTTP/1.1, on connections that somebody else accepts: finds who answers, and makes an error of what
// goes wrong, whatever it is.

import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { TLSSocket } from "node:tls";
import { HttpError, httpErrorOf, sendJson } from "./answer.ts";
import { clientOf } from "../tenants.ts";
import type { HttpRequest, Route, UpgradeRoute } from "./router.ts";
import { Router, withoutVersion } from "./router.ts";

/** What docker's clients send with a build is as long as the list of registries that the person is logged in to. */
const HEADER_BYTES = 1 << 20;
const HEADERS_MS = 30_000;

export interface HttpPlaces {
  readonly routes: readonly Route[];
  readonly upgrades: readonly UpgradeRoute[];
}

export class HttpServer {
  readonly #router: Router;
  readonly #upgrades: readonly UpgradeRoute[];
  readonly #server: Server;
  readonly #connections = new Set<Duplex>();
  readonly #work = new Set<Promise<void>>();
  readonly #stopped: AbortSignal;
  /** Requests of a connection that have no whole answer yet. */
  readonly #unanswered = new WeakMap<Duplex, number>();

  /** `stopped` is aborted when requests under way are to be given up. */
  constructor({ routes, upgrades }: HttpPlaces, stopped: AbortSignal) {
    this.#router = new Router(routes);
    this.#upgrades = upgrades;
    this.#stopped = stopped;
    this.#server = createServer({
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: HEADERS_MS,
      // A context may take as long as it takes.
      requestTimeout: 0,
      shouldUpgradeCallback: (message) => this.#upgradeOf(message) !== undefined,
    });
    this.#server.on("request", (message, response) => this.#track(this.#answer(message, response)));
    this.#server.on("upgrade", (message, connection, head) => this.#track(this.#upgrade(message, connection, head)));
    this.#server.on("clientError", refuse);
  }

  /** Speaks HTTP/1.1 on an accepted connection. */
  accept(connection: Socket): void {
    this.#connections.add(connection);
    connection.on("close", () => this.#connections.delete(connection));
    this.#server.emit("connection", connection);
  }

  /** Number of requests under way. */
  get requests(): number {
    return this.#work.size;
  }

  /** Ends every connection, and waits until the work of their requests is over. */
  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    this.#server.closeAllConnections();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const { socket } = message;
    this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 0) + 1);
    response.once("close", () => this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 0) - 1));
    message.on("error", () => gone.abort());
    response.on("error", () => gone.abort());
    response.on("close", () => {
      if (!response.writableFinished) gone.abort(new HttpError(499, "the client has gone"));
    });
    try {
      const request = requestOf(message, AbortSignal.any([gone.signal, this.#stopped]));
      refuseForeignNames(message);
      refuseForeignPages(request);
      const { handler, parameters } = this.#router.find(request.method, request.path);
      await handler({ ...request, parameters }, response);
    } catch (error) {
      const { status, message: text } = httpErrorOf(error);
      // An answer that has begun can only be cut: its reader sees that the end is missing.
      if (response.headersSent) response.destroy();
      else if (!response.destroyed) sendJson(response, status, { message: text });
    }
    // What of the body nobody read would be taken for the next request.
    if (!message.complete) message.resume();
  }

  async #upgrade(message: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    connection.on("error", () => connection.destroy());
    connection.on("close", () => gone.abort(new HttpError(499, "the client has gone")));
    // Its answer would come in the midst of the other protocol.
    if ((this.#unanswered.get(message.socket) ?? 0) > 0) {
      connection.destroy();
      return;
    }
    try {
      const route = this.#upgradeOf(message);
      if (route === undefined) throw new HttpError(400, "there is no such protocol here");
      const isChunked = message.headers["transfer-encoding"] !== undefined;
      const rest = isChunked ? await withoutLastChunk(connection, head) : head;
      if (rest.length > 0) connection.unshift(rest);
      await route.handler({ ...requestOf(message, AbortSignal.any([gone.signal, this.#stopped])) }, connection);
    } catch (error) {
      const { status, message: text } = httpErrorOf(error);
      answerRaw(connection, `${status} ${STATUS_CODES[status] ?? ""}`, text);
    }
  }

  #upgradeOf({ url = "", headers }: IncomingMessage): UpgradeRoute | undefined {
    const path = withoutVersion(url.split("?", 1)[0] ?? "");
    const wanted = (headers.upgrade ?? "").toLowerCase();
    return this.#upgrades.find((route) => route.path === path && route.protocol === wanted);
  }
}

function requestOf(message: IncomingMessage, signal: AbortSignal): HttpRequest {
  const { method = "GET", url = "/", headers, rawHeaders } = message;
  const question = url.includes("?") ? url.indexOf("?") : url.length;
  return {
    method,
    client: clientOf(message.socket),
    path: withoutVersion(url.slice(0, question)),
    parameters: {},
    query: new URLSearchParams(url.slice(question)),
    headers,
    rawHeaders,
    body: message,
    signal,
  };
}

/** A page of somebody else's, open in a browser on this machine, must not be able to change anything here. */
function refuseForeignPages({ method, headers: { origin, host } }: HttpRequest): void {
  if (method === "GET" || method === "HEAD" || origin === undefined) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new HttpError(403, `pages of ${origin} may not change anything here`);
}

/**
 * A page of somewhere else whose name was made to mean this machine is of the same origin to a browser (DNS rebinding). What
 * listens on loopback without TLS goes by no name of the internet.
 */
function refuseForeignNames({ socket, headers: { host } }: IncomingMessage): void {
  const isNear = /^(?:::ffff:)?127\.|^::1$/.test(socket.localAddress ?? "") && !(socket instanceof TLSSocket);
  if (!isNear || host === undefined || !URL.canParse(`http://${host}`)) return;
  const { hostname: name } = new URL(`http://${host}`);
  const isOurs =
    isIP(name.replaceAll(/[[\]]/g, "")) !== 0 ||
    !name.includes(".") ||
    name.endsWith(".localhost") ||
    name === hostname();
  if (!isOurs) throw new HttpError(403, `this daemon is not called ${name}: ask for localhost`);
}

/** What is no request gets an answer all the same: whoever wrote it wants to know. */
function refuse(error: Error & { readonly code?: string }, connection: Duplex): void {
  if (!connection.writable || error.code === "ECONNRESET") {
    connection.destroy();
    return;
  }
  if (error.code === "HPE_HEADER_OVERFLOW")
    answerRaw(connection, "431 Request Header Fields Too Large", `headers may be ${HEADER_BYTES} bytes together`);
  else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
    answerRaw(connection, "408 Request Timeout", "the request's headers do not come to an end");
  else answerRaw(connection, "400 Bad Request", "this is no request of HTTP/1.1");
}

const LAST_CHUNK = "0\r\n\r\n";
const LAST_CHUNK_MS = 100;

/**
 * Some clients (docker-modem) say that a body follows, and end it at once: that end is not yet the other protocol. One
 * that keeps it open sends nothing before it was answered.
 */
async function withoutLastChunk(connection: Duplex, head: Buffer): Promise<Buffer> {
  let seen = head;
  const patience = AbortSignal.timeout(LAST_CHUNK_MS);
  while (seen.length < LAST_CHUNK.length && LAST_CHUNK.startsWith(seen.toString("latin1"))) {
    const chunk: unknown = connection.read();
    if (chunk instanceof Uint8Array) seen = Buffer.concat([seen, chunk]);
    else if (!(await readableWithin(connection, patience))) break;
  }
  return seen.toString("latin1").startsWith(LAST_CHUNK) ? seen.subarray(LAST_CHUNK.length) : seen;
}

async function readableWithin(connection: Duplex, signal: AbortSignal): Promise<boolean> {
  try {
    await once(connection, "readable", { signal });
    return true;
  } catch {
    return false;
  }
}

/** Where there is no response of Node's to write to. */
function answerRaw(connection: Duplex, status: string, message: string): void {
  const body = Buffer.from(`${JSON.stringify({ message })}\n`);
  const head = [`HTTP/1.1 ${status}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
  connection.end(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n`), body]));
}

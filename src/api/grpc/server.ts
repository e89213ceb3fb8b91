// The serving side of gRPC over HTTP/2 connections that somebody else accepts.
//
// `Http2Stream.close()` is never called here: with two or more writes queued Node spins for ever in it. A response
// ends with `end()` and its trailers, or with `destroy()`.

import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import http2 from "node:http2";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Messages } from "./framing.ts";
import { readMessages, writeMessage, writeMessages } from "./framing.ts";
import { endWhenDead, LOOK_MS } from "./keep-alive.ts";
import { Metadata } from "./metadata.ts";
import type { Status } from "./status.ts";
import { CODE, RpcError, statusOf, statusTrailers } from "./status.ts";

/** One call of a client. */
export interface ServerCall {
  readonly metadata: Metadata;
  /** Whose it is: equal for all calls of one client. */
  readonly client: string;
  /** Equal for all calls of one connection. */
  readonly connection: unknown;
  /** The client's messages, for one reader. */
  readonly messages: Messages;
  /** Aborted when the client has gone or the server stops. */
  readonly signal: AbortSignal;
  /** Resolved when the answer is on its way to its last byte, or the client has gone; after the handler has returned. */
  readonly closed: Promise<void>;
  /** Sends headers before the first message; `send` does it without any. */
  start(headers?: Readonly<Record<string, string>>): void;
  /** Sends a message, given in parts, and waits until there is room for another. */
  send(...parts: readonly Uint8Array[]): Promise<void>;
  /** Sends small messages in one go, and waits as `send` does. */
  sendAll(messages: readonly Uint8Array[]): Promise<void>;
}

/** Answers a call; the call ends well when it returns, else with the status of what it throws. */
export type Handler = (call: ServerCall) => Promise<void>;

/** 16 MiB: with 64 KiB a network's delay would be the bound. */
const WINDOW_BYTES = 16 << 20;
/** A pattern is a header: contexts have many. */
const HEADER_BYTES = 16 << 20;
const HEADER_PAIRS = 20_000;
const MOST_STREAMS = 250;

export const CONNECTION_OPTIONS = {
  settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: MOST_STREAMS, maxHeaderListSize: HEADER_BYTES },
  maxHeaderListPairs: HEADER_PAIRS,
  maxSendHeaderBlockLength: HEADER_BYTES,
} as const;

/** Widens what may be under way on a whole connection. */
export function widenWindow(session: { setLocalWindowSize(bytes: number): void }): void {
  session.setLocalWindowSize(WINDOW_BYTES);
}

/** Serves calls by their full name ("/moby.buildkit.v1.Control/Solve"). */
export class GrpcServer {
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls = new Set<Promise<void>>();
  readonly #lookMs: number;

  /** `lookMs`: how often connections of a network are looked at whether they live. */
  constructor(handlers: ReadonlyMap<string, Handler>, lookMs = LOOK_MS) {
    this.#handlers = handlers;
    this.#lookMs = lookMs;
  }

  /** Speaks HTTP/2 on an accepted connection of a client's. */
  accept(socket: Duplex, client = ""): void {
    const session = http2.performServerHandshake(socket, CONNECTION_OPTIONS);
    this.#sessions.add(session);
    session.on("close", () => this.#sessions.delete(session));
    // A connection that breaks ends its streams, and those tell their calls.
    session.on("error", () => session.destroy());
    socket.on("error", () => session.destroy());
    widenWindow(session);
    if (socket instanceof Socket) endWhenDead(session, socket, this.#lookMs);
    session.on("stream", (stream, headers, _flags, raw) => {
      const call = this.#serve({ stream, headers, raw, client }).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    });
  }

  /** Number of calls under way. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Waits until no call is under way. */
  async idle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  /** Ends every connection, and waits until the work of their calls is over. */
  async stop(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await this.idle();
  }

  async #serve({ stream, headers, raw, client }: Incoming): Promise<void> {
    const gone = new AbortController();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    let isAnswered = false;
    stream.on("error", () => gone.abort());
    stream.on("close", () => {
      close();
      if (!isAnswered) gone.abort(new RpcError(CODE.cancelled, "the client has gone"));
    });
    let status: Status = { code: CODE.ok, message: "", details: [] };
    const answer: Answer = { stream, status: () => status, hasStarted: false };
    try {
      const handler = this.#handlerOf(headers);
      await handler({
        metadata: new Metadata(raw),
        client,
        connection: stream.session,
        messages: readMessages(stream),
        signal: gone.signal,
        closed,
        start: (more) => start(answer, more),
        send: async (...parts) => {
          start(answer);
          await writeMessage(stream, parts);
        },
        sendAll: async (messages) => {
          start(answer);
          await writeMessages(stream, messages);
        },
      });
    } catch (error) {
      status = statusOf(error);
    }
    isAnswered = true;
    finish(answer);
  }

  #handlerOf(headers: IncomingHttpHeaders): Handler {
    const path = String(headers[":path"]);
    if (headers[":method"] !== "POST" || headers["content-type"]?.startsWith("application/grpc") !== true)
      throw new RpcError(CODE.unimplemented, "this address speaks gRPC only");
    const handler = this.#handlers.get(path);
    if (handler === undefined) throw new RpcError(CODE.unimplemented, `unknown method ${path}`);
    return handler;
  }
}

/** A call as it comes in. */
interface Incoming {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  readonly client: string;
}

interface Answer {
  readonly stream: ServerHttp2Stream;
  readonly status: () => Status;
  hasStarted: boolean;
}

function start(answer: Answer, more: Readonly<Record<string, string>> = {}): void {
  const { stream, status } = answer;
  if (answer.hasStarted || stream.destroyed) return;
  answer.hasStarted = true;
  stream.on("wantTrailers", () => stream.sendTrailers(statusTrailers(status())));
  stream.respond({ ":status": 200, "content-type": "application/grpc", ...more }, { waitForTrailers: true });
}

function finish(answer: Answer): void {
  const { stream, status } = answer;
  if (stream.destroyed) return;
  // What the client still sends is for nobody, and must not hold the connection up.
  stream.resume();
  if (answer.hasStarted) {
    stream.end();
    return;
  }
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...statusTrailers(status()) },
    { endStream: true },
  );
}

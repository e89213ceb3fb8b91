// The asking side of gRPC, over a connection that is there already: a client's session, or a daemon.

import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { MessageType } from "../proto/message.ts";
import type { Messages } from "./framing.ts";
import { messagesOf, readMessages, writeMessage, writeMessages } from "./framing.ts";
import { CONNECTION_OPTIONS, widenWindow } from "./server.ts";
import type { Status } from "./status.ts";
import { CODE, readStatus, RpcError } from "./status.ts";

/** Metadata of a call; an array is sent as repeated headers. */
export type CallMetadata = Readonly<Record<string, string | readonly string[]>>;

/** A call in which both sides send. */
export interface ClientCall extends AsyncDisposable {
  /** The server's messages, for one reader; throws `RpcError` at their end when the call failed. */
  readonly messages: Messages;
  send(...parts: readonly Uint8Array[]): Promise<void>;
  /** Sends small messages in one go. */
  sendAll(messages: readonly Uint8Array[]): Promise<void>;
  /** Says that nothing more will be sent. */
  end(): void;
  /** Waits for the end of the call. Throws `RpcError` unless it ended well. */
  ended(): Promise<void>;
}

/** Calls methods of the other side. */
export class GrpcClient implements Disposable {
  readonly #session: ClientHttp2Session;
  /** For messages: what has ended when nothing can be asked any more. */
  readonly #what: string;

  /** Takes the connection over. */
  constructor(connection: Duplex, what = "the client's session") {
    this.#what = what;
    this.#session = http2.connect("http://localhost", { ...CONNECTION_OPTIONS, createConnection: () => connection });
    this.#session.on("error", () => this.#session.destroy());
    this.#session.on("connect", (session) => widenWindow(session));
  }

  /** Whether nothing can be asked any more. */
  get isClosed(): boolean {
    return this.#session.destroyed || this.#session.closed;
  }

  /** Begins a call; disposing it ends it whatever it is at. */
  call(method: string, metadata: CallMetadata, signal: AbortSignal): ClientCall {
    signal.throwIfAborted();
    if (this.isClosed) throw gone(this.#what);
    const headers: Record<string, string | string[]> = {
      ":method": "POST",
      ":path": method,
      ":scheme": "http",
      ":authority": "localhost",
      "content-type": "application/grpc",
      te: "trailers",
    };
    for (const [name, value] of Object.entries(metadata))
      headers[name] = typeof value === "string" ? value : [...value];
    const stream = this.#session.request(headers);
    const abort = (): void => void stream.destroy();
    signal.addEventListener("abort", abort);
    stream.once("close", () => signal.removeEventListener("abort", abort));
    const status = statusOfStream(stream, this.#what);
    const ended = async (): Promise<void> => {
      const { code, message, details } = await status;
      signal.throwIfAborted();
      if (code !== CODE.ok) throw new RpcError(code, message, details);
    };
    return {
      messages: messagesOf(untilEnd(stream, ended)),
      send: (...parts) => writeMessage(stream, parts),
      sendAll: (messages) => writeMessages(stream, messages),
      end: () => void stream.end(),
      ended,
      [Symbol.asyncDispose]: async () => {
        if (!stream.destroyed) stream.destroy();
        await status;
      },
    };
  }

  /** One request, one response. Throws `RpcError`. */
  async unary<Q, A>(
    method: string,
    [question, answer]: readonly [MessageType<Q>, MessageType<A>],
    request: Partial<Q>,
    signal: AbortSignal,
    metadata: CallMetadata = {},
  ): Promise<A> {
    await using call = this.call(method, metadata, signal);
    await call.send(question.encode(request));
    call.end();
    let response: A | undefined;
    for await (const message of call.messages) response = answer.decode(message);
    if (response === undefined) throw new RpcError(CODE.internal, `${method} gave no answer`);
    return response;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

async function* untilEnd(
  stream: ClientHttp2Stream,
  ended: () => Promise<void>,
): AsyncGenerator<readonly Uint8Array[], void, void> {
  try {
    yield* readMessages(stream).together();
  } catch (error) {
    await ended();
    throw error;
  }
  await ended();
}

/** Settled by the first that says how it ended: a response without a body, trailers, or the stream's end without either. */
function statusOfStream(stream: ClientHttp2Stream, what: string): Promise<Status> {
  return new Promise((resolve) => {
    const take = (headers: IncomingHttpHeaders): void => {
      const status = readStatus(headers);
      if (status !== undefined) resolve(status);
    };
    stream.on("response", take);
    stream.on("trailers", take);
    stream.on("error", () => undefined); // "close" follows
    stream.on("close", () => resolve(gone(what).status));
  });
}

function gone(what: string): RpcError {
  return new RpcError(CODE.unavailable, `${what} has ended`);
}

// The sessions that are open, by their id. A build may ask for one that is still on its way.

import { once } from "node:events";
import type { Duplex } from "node:stream";
import { noteEnd } from "../../../builder/core/bytes/passed-bytes.ts";
import { messagesOf } from "../../api/grpc/framing.ts";
import type { Metadata } from "../../api/grpc/metadata.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { ServerCall } from "../../api/grpc/server.ts";
import { ClientSession, sessionIdOf } from "./client-session.ts";
import type { Carrier } from "../../api/grpc/tunnel.ts";
import { tunnel } from "../../api/grpc/tunnel.ts";

/** How long a build waits for its session, in ms. */
const PATIENCE_MS = 5000;

/** Told of sessions and of the bytes that they carry. */
export interface SessionWatch {
  received(bytes: number): void;
  sent(bytes: number): void;
  began(id: string): void;
  ended(id: string): void;
}

const NOBODY: SessionWatch = {
  received: () => undefined,
  sent: () => undefined,
  began: () => undefined,
  ended: () => undefined,
};

export class Sessions {
  readonly #open = new Map<string, ClientSession>();
  /** Ids of those that are about to be. */
  readonly #opening = new Set<string>();
  readonly #waiting = new Map<string, Set<(session: ClientSession) => void>>();
  readonly #patienceMs: number;
  readonly #watch: SessionWatch;

  /** `patienceMs` is how long one that is not there is waited for. */
  constructor(patienceMs = PATIENCE_MS, watch: SessionWatch = NOBODY) {
    this.#patienceMs = patienceMs;
    this.#watch = watch;
  }

  /** Number of open ones. */
  get size(): number {
    return this.#open.size;
  }

  /** Holds a session open that is carried in a call, for as long as its client wants it. */
  async hold(call: ServerCall): Promise<void> {
    await this.holdOn(tunnel(counted(call, this.#watch)), call.metadata, () => call.start());
  }

  /**
   * Holds a session open on a connection for as long as its client wants it; `ready` is called when it may open, and when
   * that is over nobody else may write to the connection. Throws `RpcError` before that alone, and has not touched the
   * connection then.
   */
  async holdOn(connection: Duplex, metadata: Metadata, ready: () => void | Promise<void>): Promise<void> {
    const id = sessionIdOf(metadata);
    if (id === "") throw new RpcError(CODE.invalidArgument, "the session has no id");
    if (this.#open.has(id) || this.#opening.has(id))
      throw new RpcError(CODE.alreadyExists, `session ${id} is open already`);
    const closed = once(connection, "close").catch(() => undefined);
    connection.on("error", () => undefined); // "close" follows
    this.#opening.add(id);
    try {
      await ready();
    } finally {
      this.#opening.delete(id);
    }
    using session = new ClientSession(metadata, connection);
    this.#open.set(session.id, session);
    this.#watch.began(session.id);
    try {
      for (const take of this.#waiting.get(session.id) ?? []) take(session);
      const ended = new Promise((resolve) => connection.once("end", resolve));
      await Promise.race([closed, ended]);
    } finally {
      this.#open.delete(session.id);
      this.#watch.ended(session.id);
      connection.destroy();
      await closed;
      noteEnd();
    }
  }

  /** A session, waited for. Throws `RpcError` when it does not come. */
  async find(id: string, signal: AbortSignal): Promise<ClientSession> {
    const open = this.#open.get(id);
    if (open !== undefined) return open;
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const forget = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        waiting.delete(take);
        if (waiting.size === 0) this.#waiting.delete(id);
      };
      const take = (session: ClientSession): void => {
        forget();
        resolve(session);
      };
      const refuse = (error: unknown): void => {
        forget();
        reject(error);
      };
      const abort = (): void => refuse(signal.reason);
      const timer = setTimeout(
        () =>
          refuse(
            new RpcError(
              CODE.unavailable,
              `no active session for ${id}: it did not come within ${this.#patienceMs} ms`,
            ),
          ),
        this.#patienceMs,
      );
      signal.addEventListener("abort", abort);
      waiting.add(take);
    });
  }
}

function counted({ messages, send, signal }: Carrier, watch: SessionWatch): Carrier {
  return {
    messages: messagesOf(
      (async function* () {
        for await (const lot of messages.together()) {
          for (const { length } of lot) watch.received(length);
          yield lot;
        }
      })(),
    ),
    send: async (...parts) => {
      for (const part of parts) watch.sent(part.length);
      await send(...parts);
    },
    signal,
  };
}

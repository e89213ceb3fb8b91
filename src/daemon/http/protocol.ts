// Which protocol a connection speaks: its first bytes say it. BuildKit's clients begin with HTTP/2's preface (RFC 9113,
// 3.4), all others with a request of HTTP/1.1. Both come to the same address, as with docker's own daemon.

import type { Socket } from "node:net";

/** Who takes a connection, with nothing of it read. */
export interface ProtocolDoors {
  readonly http2: (connection: Socket) => void;
  readonly http1: (connection: Socket) => void;
}

const PREFACE = "PRI * HTTP/2.0";
/** How long a client may say nothing at all, in ms. */
const SILENCE_MS = 30_000;

/** Tells connections apart. Those that have not said anything yet are its own to end. */
export class Protocols implements Disposable {
  readonly #doors: ProtocolDoors;
  readonly #silent = new Set<Socket>();

  constructor(doors: ProtocolDoors) {
    this.#doors = doors;
  }

  /** Takes a connection, and hands it on as soon as it can be told. */
  accept(connection: Socket): void {
    let seen = Buffer.alloc(0);
    this.#silent.add(connection);
    const drop = (): void => void connection.destroy();
    const timer = setTimeout(drop, SILENCE_MS).unref();
    const forget = (): void => {
      clearTimeout(timer);
      this.#silent.delete(connection);
      connection.off("readable", look).off("error", drop).off("end", drop).off("close", forget);
    };
    const look = (): void => {
      for (let chunk: unknown; (chunk = connection.read()) !== null;)
        if (chunk instanceof Uint8Array) seen = Buffer.concat([seen, chunk]);
      const text = seen.toString("latin1", 0, PREFACE.length);
      if (text.length < PREFACE.length && PREFACE.startsWith(text)) return; // not enough to tell
      forget();
      connection.unshift(seen);
      if (text === PREFACE) this.#doors.http2(connection);
      else this.#doors.http1(connection);
    };
    connection.on("readable", look).on("error", drop).on("end", drop).on("close", forget);
  }

  [Symbol.dispose](): void {
    for (const connection of this.#silent) connection.destroy();
  }
}

// Connections that nobody uses any more. A client that was cut off says nothing, and neither does one whose build is quiet:
// the first does not answer a ping (RFC 9113, 6.7), which clients do by themselves.

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** How often a connection is looked at, in ms. */
export const LOOK_MS = 60_000;
/** So many looks without a byte, a ping among them, and it is over: a client that was stopped may go on before. */
const MOST_SILENT = 15;
/** So many looks without a call, and the client is asked to go; it connects again when it has something to ask. */
const MOST_IDLE = 30;

/** Ends a connection that is dead, or has been of no use for long. */
export function endWhenDead(session: ServerHttp2Session, socket: Socket, lookMs: number): void {
  let calls = 0;
  let [idle, silent, bytesRead] = [0, 0, 0];
  session.on("stream", (stream) => {
    calls += 1;
    stream.once("close", () => (calls -= 1));
  });
  const timer = setInterval(() => {
    if (session.destroyed) return;
    idle = calls === 0 ? idle + 1 : 0;
    silent = socket.bytesRead === bytesRead ? silent + 1 : 0;
    bytesRead = socket.bytesRead;
    if (silent > MOST_SILENT) session.destroy();
    else if (idle > MOST_IDLE) session.close();
    else if (silent === 1) session.ping(() => undefined); // what comes back is seen as bytes
  }, lookMs);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}

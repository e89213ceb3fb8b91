// A client's session: an HTTP/2 connection in which the client is the server, carried in the messages of a call.

import { Duplex } from "node:stream";
import type { ServerCall } from "./server.ts";
import { bytesMessage, readBytesMessage } from "../proto/packets.ts";

/** Below what every client takes in one message. */
const CHUNK_BYTES = 1 << 20;

/** A call that carries bytes both ways. */
export type Carrier = Pick<ServerCall, "messages" | "send" | "signal">;

/** The bytes that a call carries, as a connection. Ends when the client ends its side; destroyed when the call breaks. */
export function tunnel(call: Carrier): Duplex {
  const lots = call.messages.together()[Symbol.asyncIterator]();
  let isReading = false;
  const duplex: Duplex = new Duplex({
    read() {
      if (isReading) return;
      isReading = true;
      void (async () => {
        try {
          for (let hasRoom = true; hasRoom;) {
            const next = await lots.next();
            if (next.done === true) {
              duplex.push(null);
              return;
            }
            for (const message of next.value) {
              const data = readBytesMessage(message);
              if (data.length > 0) hasRoom = duplex.push(data);
            }
          }
        } catch (error) {
          duplex.destroy(error instanceof Error ? error : new Error(String(error)));
        } finally {
          isReading = false;
        }
      })();
    },
    // HTTP/2 writes the head of a frame and what is in it one after the other.
    writev(chunks: readonly { readonly chunk: unknown }[], done) {
      const bytes = chunks.flatMap(({ chunk }) => (chunk instanceof Uint8Array ? [chunk] : []));
      const [only] = bytes;
      send(call, bytes.length === 1 && only !== undefined ? only : Buffer.concat(bytes)).then(
        () => done(),
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
      );
    },
  });
  const abort = (): void => void duplex.destroy();
  call.signal.addEventListener("abort", abort, { once: true });
  duplex.once("close", () => call.signal.removeEventListener("abort", abort));
  return duplex;
}

async function send(call: Carrier, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
    await call.send(...bytesMessage(chunk.subarray(at, at + CHUNK_BYTES)));
}

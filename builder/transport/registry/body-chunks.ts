// The bytes of an answer as they come from the network. Node's own iteration over a stream puts all that waits together
// into one buffer first: a copy of every byte, and twice the memory.

import type { IncomingMessage } from "node:http";

/** So much may wait for a slow reader before the connection is held back. */
const WAITING_BYTES = 64 << 10;

/** An answer's chunks, in order; leaving off before the end destroys it. Throws what breaks the connection. */
export async function* bodyChunks(body: IncomingMessage): AsyncIterable<Uint8Array> {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let failure: Error | undefined;
  let isEnded = false;
  let wake: () => void = () => undefined;
  body.on("data", (chunk: Buffer) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes >= WAITING_BYTES) body.pause();
    wake();
  });
  body.on("error", (error) => {
    failure = error;
    wake();
  });
  // "end" comes only after the last chunk, "close" also where there was none.
  body.on("end", () => {
    isEnded = true;
    wake();
  });
  body.on("close", () => {
    if (!isEnded) failure ??= new Error("aborted");
    wake();
  });
  try {
    for (;;) {
      const chunk = waiting.shift();
      if (chunk !== undefined) {
        waitingBytes -= chunk.length;
        yield chunk;
        continue;
      }
      if (failure !== undefined) throw failure;
      if (isEnded) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      body.resume();
      await promise;
    }
  } finally {
    body.destroy();
  }
}

// The bytes of an answer as they come from the network. Node's own iteration over a stream puts all that waits together
// into one buffer first: a copy of every byte, and twice the memory.

import type { IncomingMessage } from "node:http";
import type { DirectBody } from "./direct-body.ts";
import { takeBody } from "./direct-body.ts";

/** So much may wait for a slow reader before the connection is held back. */
const WAITING_BYTES = 64 << 10;

/**
 * An answer's chunks, in order; leaving off before the end destroys it. Large ones are lent (core/bytes/lent-chunks.ts). Throws
 * what breaks the connection.
 */
export async function* bodyChunks(body: IncomingMessage): AsyncIterable<Uint8Array> {
  const direct = takeBody(body);
  const chunks = direct === undefined ? parsedChunks(body) : directChunks(direct);
  let failure: Error | undefined;
  let isEnded = false;
  let wake: () => void = () => undefined;
  const onMore = (): void => wake();
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
      const chunk = chunks.next();
      if (chunk !== undefined) {
        yield chunk;
        continue;
      }
      if (chunks.isWhole) return;
      if (failure !== undefined) throw failure;
      if (isEnded) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      chunks.await(onMore);
      await promise;
    }
  } finally {
    body.destroy();
  }
}

/** What came of a body. */
interface Arrived {
  /** Whether there is no more to come. */
  readonly isWhole: boolean;
  next(): Uint8Array | undefined;
  /** Lets more come, and calls `onMore` when it has. */
  await(onMore: () => void): void;
}

function parsedChunks(body: IncomingMessage): Arrived {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let tell: () => void = () => undefined;
  body.on("data", (chunk: Buffer) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes >= WAITING_BYTES) body.pause();
    tell();
  });
  return {
    isWhole: false,
    next() {
      const chunk = waiting.shift();
      waitingBytes -= chunk?.length ?? 0;
      return chunk;
    },
    await(onMore) {
      tell = onMore;
      body.resume();
    },
  };
}

function directChunks({ head, length, reader }: DirectBody): Arrived {
  let first = head;
  let given = 0;
  return {
    get isWhole() {
      return given === length;
    },
    next() {
      const chunk = first ?? reader.next();
      first = undefined;
      given += chunk?.length ?? 0;
      return chunk;
    },
    await: (onMore) => reader.await(onMore),
  };
}

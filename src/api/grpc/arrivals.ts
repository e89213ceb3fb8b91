// The bytes of a stream, as many at a time as have come. A stream of HTTP/2 tells of each frame by itself: where thousands
// come, a turn of promises for each costs more than what is in them.

import type { Readable } from "node:stream";
import { finished } from "node:stream";
import { notePassed } from "../../../builder/core/bytes/passed-bytes.ts";
import { CODE, RpcError } from "./status.ts";

/** What is read ahead of who asks, about. */
const MOST_HELD_BYTES = 1 << 20;

/**
 * The chunks that have come since the last ones were taken, for one reader. Throws the stream's error. Whoever stops asking
 * still has the stream, which stands still then.
 */
export async function* arrivalsOf(stream: Readable): AsyncGenerator<readonly Buffer[], void, void> {
  const held: Buffer[] = [];
  let heldBytes = 0;
  let end: { readonly error: Error | null | undefined } | undefined;
  let wake: (() => void) | undefined;
  let isDue = false;
  const tell = (): void => {
    if (isDue) return;
    isDue = true;
    // What else the same reading of the socket brings is told of with it.
    setImmediate(() => {
      isDue = false;
      wake?.();
    });
  };
  const take = (chunk: unknown): void => {
    if (!(chunk instanceof Uint8Array)) {
      end ??= { error: new RpcError(CODE.internal, "a stream of text") };
    } else {
      held.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      heldBytes += chunk.length;
      if (heldBytes >= MOST_HELD_BYTES) stream.pause();
    }
    tell();
  };
  const forget = finished(stream, { writable: false }, (error) => {
    end ??= { error };
    tell();
  });
  stream.on("data", take);
  try {
    for (;;) {
      if (held.length > 0) {
        const lotBytes = heldBytes;
        heldBytes = 0;
        yield held.splice(0);
        notePassed(lotBytes);
      } else if (end === undefined) {
        if (stream.isPaused()) stream.resume();
        await new Promise<void>((resolve) => (wake = resolve));
      } else if (end.error === undefined || end.error === null) return;
      else throw end.error;
    }
  } finally {
    stream.off("data", take).pause();
    forget();
  }
}

// Messages in an HTTP/2 stream: a byte that says whether it is compressed, four with the length, the message
// (grpc/doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).

import type { Duplex, Readable } from "node:stream";
import { once } from "node:events";
import { arrivalsOf } from "./arrivals.ts";
import { CODE, RpcError } from "./status.ts";

/** What BuildKit's server and clients take at most. */
const LARGEST_MESSAGE_BYTES = 16 << 20;
const PREFIX_BYTES = 5;

/** The messages that come, for one reader. */
export interface Messages extends AsyncIterable<Uint8Array> {
  /** The same, as many at a time as have come: where there are thousands, a turn for each costs more than the message. */
  together(): AsyncIterable<readonly Uint8Array[]>;
}

/** Messages that come so many at a time. */
export function messagesOf(lots: AsyncIterable<readonly Uint8Array[]>): Messages {
  return {
    together: () => lots,
    async *[Symbol.asyncIterator]() {
      for await (const lot of lots) yield* lot;
    },
  };
}

/**
 * The messages of a stream; little is read ahead of who asks. Reading throws `RpcError`. Whoever stops asking, or gets an
 * error, still has the stream: the answer goes out on it.
 */
export function readMessages(stream: Readable): Messages {
  return messagesOf(lotsOf(stream));
}

async function* lotsOf(stream: Readable): AsyncGenerator<readonly Uint8Array[], void, void> {
  const held = new HeldBytes();
  /** Of the message that is coming, once its prefix has come. */
  let length: number | undefined;
  for await (const chunks of arrivalsOf(stream)) {
    const lot: Uint8Array[] = [];
    for (const chunk of chunks) {
      held.add(chunk);
      for (;;) {
        if (length === undefined) {
          if (held.size < PREFIX_BYTES) break;
          length = lengthOf(held.take(PREFIX_BYTES));
        }
        if (held.size < length) break;
        lot.push(held.take(length));
        length = undefined;
      }
    }
    if (lot.length > 0) yield lot;
  }
  if (held.size > 0 || length !== undefined)
    throw new RpcError(CODE.internal, "the stream ended in the middle of a message");
}

/** Bytes in the pieces in which they came: what lies in one is not copied. */
class HeldBytes {
  readonly #pieces: Buffer[] = [];
  size = 0;

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.size += piece.length;
  }

  /** The first so many of them, which must be there. */
  take(length: number): Buffer {
    const [first = NO_BYTES] = this.#pieces;
    this.size -= length;
    if (length <= first.length) {
      this.#drop(first, length);
      return first.subarray(0, length);
    }
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length;) {
      const [piece = NO_BYTES] = this.#pieces;
      const count = Math.min(piece.length, length - at);
      piece.copy(bytes, at, 0, count);
      this.#drop(piece, count);
      at += count;
    }
    return bytes;
  }

  #drop(first: Buffer, length: number): void {
    if (length < first.length) this.#pieces[0] = first.subarray(length);
    else this.#pieces.shift();
  }
}

const NO_BYTES = Buffer.alloc(0);

function lengthOf(prefix: Buffer): number {
  if (prefix[0] !== 0) throw new RpcError(CODE.unimplemented, "compressed messages are not taken");
  const length = prefix.readUInt32BE(1);
  if (length > LARGEST_MESSAGE_BYTES)
    throw new RpcError(
      CODE.resourceExhausted,
      `a message of ${length} bytes; at most ${LARGEST_MESSAGE_BYTES} are taken`,
    );
  return length;
}

/** Writes one message, given in parts, and waits until the stream can take another. Throws `RpcError` when it is gone. */
export async function writeMessage(stream: Duplex, parts: readonly Uint8Array[]): Promise<void> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(
    parts.reduce((sum, { length }) => sum + length, 0),
    1,
  );
  await write(stream, [prefix, ...parts]);
}

/** Writes small messages in one go, and waits as `writeMessage` does. Throws `RpcError` when the stream is gone. */
export async function writeMessages(stream: Duplex, messages: readonly Uint8Array[]): Promise<void> {
  const bytes = Buffer.allocUnsafe(messages.reduce((sum, { length }) => sum + PREFIX_BYTES + length, 0));
  let at = 0;
  for (const message of messages) {
    bytes[at] = 0;
    bytes.writeUInt32BE(message.length, at + 1);
    bytes.set(message, at + PREFIX_BYTES);
    at += PREFIX_BYTES + message.length;
  }
  await write(stream, [bytes]);
}

async function write(stream: Duplex, parts: readonly Uint8Array[]): Promise<void> {
  if (stream.destroyed || stream.writableEnded) throw new RpcError(CODE.unavailable, "the other side has gone");
  stream.cork();
  let canTakeMore = true;
  for (const part of parts) if (part.length > 0) canTakeMore = stream.write(part);
  stream.uncork();
  if (canTakeMore && !stream.writableNeedDrain) return;
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  stream.once("close", onClose);
  try {
    await once(stream, "drain", { signal: gone.signal });
  } catch {
    throw new RpcError(CODE.unavailable, "the other side has gone");
  } finally {
    stream.off("close", onClose);
  }
}

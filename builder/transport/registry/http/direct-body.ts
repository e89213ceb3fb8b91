// Bytes of large answers, past Node's parser: it has each piece of a body read into new memory, and copies it to newer one,
// which costs three times what is done with the bytes afterwards. Our sockets read into memory of ours. As long as they
// speak HTTP the parser gets a copy; the body of a large answer is taken from them as it comes, and the connection is
// closed behind it.

import type { IncomingMessage } from "node:http";
import type { OnReadOpts, Socket } from "node:net";
import { lend, spareBuffer } from "../../../core/bytes/lent-chunks.ts";

const BLOCK_BYTES = 256 << 10;
/** Fewer bytes are copied out of their block when they are handed over: whoever keeps them would keep all of it. */
const LENT_BYTES = 64 << 10;
/** Less free space in a block is not worth another call of the kernel. */
const SPACE_BYTES = 32 << 10;
/** So much may wait for a slow reader before the connection is held back. */
const WAITING_BYTES = 512 << 10;
/** The body of a smaller answer is not worth a connection. */
const LARGE_BYTES = 1 << 20;

const readers = new WeakMap<Socket, SocketReader>();

/** Reads a socket that is about to be opened: `onread` goes to net.connect or tls.connect. */
export class SocketReader {
  readonly onread: OnReadOpts;
  #socket: Socket | undefined;
  /** Where the kernel writes next is the part of it from `#filled` on; what was handed over ends at `#given`. */
  #block: Buffer = Buffer.allocUnsafeSlow(LENT_BYTES);
  #filled = 0;
  #given = 0;
  /** Of the body that is taken directly. */
  #missingBytes = 0;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #isHandingOver = false;

  constructor() {
    this.onread = {
      buffer: () => this.#block.subarray(this.#filled),
      callback: (count, buffer) => this.#read(buffer.subarray(0, count)),
    };
  }

  /** Says which socket it became. */
  attach(socket: Socket): void {
    this.#socket = socket;
    readers.set(socket, this);
  }

  /** From now on the next `bytes` of the socket come here, and not to the parser. */
  take(bytes: number): void {
    this.#missingBytes = bytes;
    this.#socket?.resume();
  }

  /** What came and was not fetched yet, the oldest first. The socket goes on when there is nothing. */
  next(): Uint8Array | undefined {
    const chunk = this.#waiting.shift();
    this.#waitingBytes -= chunk?.length ?? 0;
    if (chunk === undefined) this.#socket?.resume();
    return chunk;
  }

  /** Calls `wake` once there is more. */
  await(wake: () => void): void {
    this.#wake = wake;
    // A few bytes that have come are not kept back for others that may not.
    if (this.#filled > this.#given) this.#handOverSoon();
  }

  /** False holds the socket back. */
  #read(bytes: Uint8Array): boolean {
    if (this.#missingBytes === 0) return this.#socket?.push(Buffer.from(bytes)) ?? false;
    // More than the answer's length said is nobody's: the connection ends behind it.
    const own = bytes.subarray(0, this.#missingBytes);
    this.#missingBytes -= own.length;
    if (own.buffer === this.#block.buffer && this.#block.length === BLOCK_BYTES) {
      this.#filled += own.length;
      this.#handOverBlock();
    } else {
      this.#hand(Buffer.from(own));
      this.#block = spareBuffer(BLOCK_BYTES);
    }
    return this.#missingBytes > 0 && this.#waitingBytes < WAITING_BYTES;
  }

  /** Only where the kernel is about to be told of the next place: it writes into this one until then. */
  #handOverBlock(): void {
    const bytes = this.#filled - this.#given;
    const isFull = BLOCK_BYTES - this.#filled < SPACE_BYTES || this.#missingBytes === 0;
    if (!isFull && (this.#wake === undefined || bytes < LENT_BYTES)) {
      if (this.#wake !== undefined) this.#handOverSoon();
      return;
    }
    if (this.#given === 0 && bytes >= LENT_BYTES) {
      this.#hand(lend(this.#block, this.#filled));
      this.#block = spareBuffer(BLOCK_BYTES);
    } else this.#hand(Buffer.from(this.#block.subarray(this.#given, this.#filled)));
    [this.#filled, this.#given] = [0, 0];
  }

  // What is decrypted comes in pieces of 16 KiB, several one after the other.
  #handOverSoon(): void {
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    setImmediate(() => {
      this.#isHandingOver = false;
      if (this.#wake === undefined || this.#filled === this.#given) return;
      this.#hand(Buffer.from(this.#block.subarray(this.#given, this.#filled)));
      this.#given = this.#filled;
    });
  }

  #hand(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** A body that comes from its socket. */
export interface DirectBody {
  /** What the parser had of it. */
  readonly head: Uint8Array | undefined;
  readonly length: number;
  readonly reader: SocketReader;
}

/** Takes an answer's body from its socket, before anybody has read of it; undefined where that is not worth it or not possible. */
export function takeBody(body: IncomingMessage): DirectBody | undefined {
  const { socket, headers } = body;
  const reader = readers.get(socket);
  const length = Number(headers["content-length"] ?? 0);
  if (reader === undefined || length < LARGE_BYTES || headers["transfer-encoding"] !== undefined) return undefined;
  // What waits in the socket is the parser's.
  while (socket.readableLength > 0 && socket.read() !== null);
  const missing = length - body.readableLength;
  if (missing <= 0 || socket.destroyed) return undefined;
  reader.take(missing);
  const head: unknown = body.read();
  return { head: head instanceof Uint8Array ? head : undefined, length, reader };
}

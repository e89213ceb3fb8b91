// Layers of an image are compressed while later steps run. Nobody waits for it; whoever
// needs a blob asks again, and gets the one that is being made, or its error.

import { warnOfForeignBytes } from "./compressor-check.ts";
import type { EventSink } from "../core/events.ts";
import type { OpResult } from "../ops/result.ts";
import type { BlobOptions } from "../snapshot/ref.ts";

/** The blobs that are being made ahead; disposing it stops what is not done, and waits until its files are gone. */
export class PackAhead implements AsyncDisposable {
  readonly #options: BlobOptions;
  readonly #events: EventSink;
  #checked: Promise<void> | undefined;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();

  constructor(options: BlobOptions, events: EventSink, signal: AbortSignal) {
    this.#options = options;
    this.#events = events;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  start(result: OpResult): void {
    const made = this.#make(result).catch(() => undefined);
    this.#running.add(made);
    void made.then(() => this.#running.delete(made));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #make(result: OpResult): Promise<void> {
    const top = (await result.ref(this.#signal)).layers.at(-1);
    if (top === undefined) return;
    if (!top.hasBlob(this.#options)) await (this.#checked ??= warnOfForeignBytes(this.#options, this.#events));
    await top.blob(this.#options, this.#signal);
  }
}

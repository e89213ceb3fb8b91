// A stream that somebody may give up while it keeps its reader waiting: a client that sends half of a context and no more.

/** The chunks of a stream, until `signal` is aborted; then throws its reason, whatever the stream is doing. */
export async function* untilAborted<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, void> {
  // One promise a chunk: whatever waits with others for one that lasts is kept, with its chunk, as long as that one.
  let giveUp = (): void => undefined;
  const stop = (): void => giveUp();
  signal.addEventListener("abort", stop, { once: true });
  const chunks = stream[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<T, unknown>>((resolve, reject) => {
        giveUp = () => reject(signal.reason);
        chunks.next().then(resolve, reject);
      });
      isOver = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // A stream that waits closes when it is done waiting: nobody is kept from going on by that.
    if (!isOver) Promise.resolve(chunks.return?.()).catch(() => undefined);
  }
}

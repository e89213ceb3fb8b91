// A stream that somebody may give up while it keeps its reader waiting: a client that sends half of a context and no more.

/** The chunks of a stream, until `signal` is aborted; then throws its reason, whatever the stream is doing. */
export async function* untilAborted<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined); // the stream may end first
  const stop = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const chunks = stream[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await Promise.race([chunks.next(), aborted.promise]);
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

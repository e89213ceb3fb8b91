// A stream cut into pieces of one size, some of them sent at a time: how large objects come to S3 and to Azure.

/** The pieces of a stream, each `bytes` long but the last; an empty stream is no piece. */
export async function* pieces(chunks: AsyncIterable<Uint8Array>, bytes: number): AsyncIterable<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length;) {
      const part = chunk.subarray(from, from + bytes - size);
      parts.push(part);
      from += part.length;
      size += part.length;
      if (size < bytes) continue;
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(parts);
}

/**
 * Sends each piece, at most `atOnce` at a time, and gives what the sends gave, in order. After a failure no further one
 * begins; it is thrown when those under way have ended.
 */
export async function sendPieces<T>(
  source: AsyncIterable<Uint8Array>,
  atOnce: number,
  send: (piece: Uint8Array, number: number) => Promise<T>,
): Promise<readonly T[]> {
  const sent: Promise<T>[] = [];
  const underWay = new Set<Promise<unknown>>();
  let failure: { readonly error: unknown } | undefined;
  for await (const piece of source) {
    const one = send(piece, sent.length);
    sent.push(one);
    const ended: Promise<unknown> = one
      .catch((error: unknown) => (failure ??= { error }))
      .finally(() => underWay.delete(ended));
    underWay.add(ended);
    if (underWay.size >= atOnce) await Promise.race(underWay);
    if (failure !== undefined) break;
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
  return await Promise.all(sent);
}

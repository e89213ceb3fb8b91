// Work that several ask for at a time is done once, for all of them.

/**
 * Says when to forget a piece of shared work that stays known once it is done: when it failed, so that the next one who asks
 * tries again, and as soon as it is stopped, since it fails a while later, and whoever asks by then did not stop it. `forget`
 * is called once at most.
 */
export function forgetOnFailure<T>(work: Promise<T>, signal: AbortSignal, forget: () => void): Promise<T> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
    signal.removeEventListener("abort", fail);
  };
  const fail = (): void => {
    if (!isOver) forget();
    end();
  };
  signal.addEventListener("abort", fail);
  work.then(end, fail);
  return work;
}

/** Begins what stands for a key, or joins who is at it; what was stopped is not joined. */
export function joinWork<K, T>(
  running: Map<K, Promise<T>>,
  key: K,
  signal: AbortSignal,
  begin: () => Promise<T>,
): Promise<T> {
  const known = running.get(key);
  if (known !== undefined) return known;
  const work = begin();
  const forget = (): void => void (running.get(key) === work && running.delete(key));
  running.set(key, forgetOnFailure(work, signal, forget));
  work.then(forget, () => undefined);
  return work;
}

// Two lists that tell the same story with differences: which items belong together, and which only one of them has.

/** Items that belong together; only `a` or only `b` where the other list has nothing in its place. */
export interface Pair<T> {
  readonly a?: T;
  readonly b?: T;
}

/** Beyond so many comparisons what lies between equal beginnings and ends is not searched. */
const MAX_CELLS = 16e6;

/**
 * Aligns two lists, keeping their order. The keys of an item go from strict to loose: what is equal by the first one
 * belongs together, between those what is equal by the next one; what is left is paired in order where both have as much
 * of it.
 */
export function alignLists<T>(a: readonly T[], b: readonly T[], ...keys: readonly ((item: T) => string)[]): Pair<T>[] {
  const [key, ...looser] = keys;
  if (key === undefined || a.length === 0 || b.length === 0) return alignRest(a, b);
  const pairs: Pair<T>[] = [];
  let [nextA, nextB] = [0, 0];
  for (const [atA, atB] of [...commonItems(a.map(key), b.map(key)), [a.length, b.length] as const]) {
    pairs.push(...alignLists(a.slice(nextA, atA), b.slice(nextB, atB), ...looser));
    const [first, second] = [a[atA], b[atB]];
    if (first !== undefined && second !== undefined) pairs.push({ a: first, b: second });
    [nextA, nextB] = [atA + 1, atB + 1];
  }
  return pairs;
}

function alignRest<T>(a: readonly T[], b: readonly T[]): Pair<T>[] {
  if (a.length !== b.length) return [...a.map((item) => ({ a: item })), ...b.map((item) => ({ b: item }))];
  return a.map((item, at) => ({ a: item, b: b[at] ?? item }));
}

/** The places of a longest sequence that both have. */
function commonItems(a: readonly string[], b: readonly string[]): (readonly [number, number])[] {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [endA, endB] = [a.length - tail, b.length - tail];
  const found: (readonly [number, number])[] = [];
  for (let at = 0; at < head; at++) found.push([at, at]);
  if ((endA - head) * (endB - head) <= MAX_CELLS) found.push(...commonBetween(a, b, [head, endA, endB]));
  for (let at = 0; at < tail; at++) found.push([endA + at, endB + at]);
  return found;
}

function commonBetween(
  a: readonly string[],
  b: readonly string[],
  [head, endA, endB]: readonly [number, number, number],
): (readonly [number, number])[] {
  // lengths[i][j]: how many items a from i and b from j have in common.
  const width = endB - head + 1;
  const lengths = new Uint32Array((endA - head + 1) * width);
  const length = (i: number, j: number): number => lengths[(i - head) * width + (j - head)] ?? 0;
  for (let i = endA - 1; i >= head; i--) {
    for (let j = endB - 1; j >= head; j--) {
      const most = a[i] === b[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
      lengths[(i - head) * width + (j - head)] = most;
    }
  }
  const found: (readonly [number, number])[] = [];
  for (let i = head, j = head; i < endA && j < endB;) {
    if (a[i] === b[j]) found.push([i++, j++]);
    else if (length(i + 1, j) >= length(i, j + 1)) i++;
    else j++;
  }
  return found;
}

// Many byte strings looked for at once in streams that pass anyway (S. Wu and U. Manber, "A fast algorithm for
// multi-pattern searching", 1994). Two bytes at the end of a window say how far the window may move; an automaton that
// looks at every byte (Aho-Corasick) takes three times as long here, and its tables grow with the length of the strings.

/** A place where one of the strings stands. */
export interface ByteMatch {
  /** Number of the string. */
  readonly pattern: number;
  readonly at: number;
}

/** Strings to look for. */
export class ByteSearch {
  readonly #patterns: readonly Uint8Array[];
  /** Bytes of the shortest string: the size of the window. */
  readonly #window: number;
  /** Bytes of the longest string. */
  readonly longest: number;
  /** By the two bytes at the end of the window: how far it may move. */
  readonly #shift: Uint8Array;
  /** By the same two bytes: the first string that has them there (its number + 1), and after each the next. */
  readonly #first: Uint32Array;
  readonly #next: Uint32Array;
  /** By two bytes: 1 where a string begins with them. */
  readonly #begins = new Uint8Array(1 << 16);
  /** The strings by their first byte. */
  readonly #byFirstByte = new Map<number, Uint8Array[]>();

  /** At least one, and each has at least two bytes. */
  constructor(patterns: readonly Uint8Array[]) {
    this.#patterns = patterns;
    const lengths = patterns.map(({ length }) => length);
    this.#window = lengths.reduce((least, length) => Math.min(least, length), MOST_WINDOW);
    this.longest = lengths.reduce((most, length) => Math.max(most, length), 0);
    this.#shift = new Uint8Array(1 << 16).fill(this.#window - 1);
    this.#first = new Uint32Array(1 << 16);
    this.#next = new Uint32Array(patterns.length + 1);
    for (const [number, pattern] of patterns.entries()) this.#enter(pattern, number + 1);
  }

  #enter(pattern: Uint8Array, number: number): void {
    let pair = 0;
    for (let at = 1; at < this.#window; at++) {
      pair = pairAt(pattern, at);
      this.#shift[pair] = Math.min(this.#shift[pair] ?? 0, this.#window - 1 - at);
    }
    this.#next[number] = this.#first[pair] ?? 0;
    this.#first[pair] = number;
    this.#begins[pairAt(pattern, 1)] = 1;
    const [byte = 0] = pattern;
    const same = this.#byFirstByte.get(byte);
    if (same === undefined) this.#byFirstByte.set(byte, [pattern]);
    else same.push(pattern);
  }

  /** The first place from `from` on where a string stands that ends before `end`; the longest of those that begin there. */
  find(bytes: Uint8Array, from = 0, end = bytes.length): ByteMatch | undefined {
    const shifts = this.#shift;
    const window = this.#window;
    for (let last = from + window - 1; last < end;) {
      // Both indexes are inside: `last` is at least 1.
      const pair = ((bytes[last - 1] as number) << 8) | (bytes[last] as number);
      const shift = shifts[pair] as number;
      if (shift > 0) {
        last += shift;
        continue;
      }
      const at = last - window + 1;
      const pattern = this.#longestAt(bytes, at, end);
      if (pattern !== undefined) return { pattern, at };
      last++;
    }
    return undefined;
  }

  /** All strings that begin at a place where `find` has found one. */
  *allAt(bytes: Uint8Array, at: number, end = bytes.length): Generator<number> {
    const pair = pairAt(bytes, at + this.#window - 1);
    for (let number = this.#first[pair] ?? 0; number !== 0; number = this.#next[number] ?? 0) {
      const pattern = this.#patterns[number - 1];
      if (pattern === undefined || at + pattern.length > end) continue;
      if (isAt(pattern, bytes, at, pattern.length)) yield number - 1;
    }
  }

  /** Bytes of a string. */
  lengthOf(pattern: number): number {
    return this.#patterns[pattern]?.length ?? 0;
  }

  /** Where a string may begin that goes on after the end, or with `orEnds` ends there; the number of bytes when none does. */
  openFrom(bytes: Uint8Array, orEnds = false): number {
    for (let at = Math.max(0, bytes.length - this.longest + (orEnds ? 0 : 1)); at < bytes.length; at++) {
      if (at + 1 < bytes.length && this.#begins[pairAt(bytes, at + 1)] === 0) continue;
      const left = bytes.length - at;
      const least = orEnds ? left : left + 1;
      const candidates = this.#byFirstByte.get(bytes[at] ?? 0) ?? [];
      if (candidates.some((pattern) => pattern.length >= least && isAt(pattern, bytes, at, left))) return at;
    }
    return bytes.length;
  }

  #longestAt(bytes: Uint8Array, at: number, end: number): number | undefined {
    let found: number | undefined;
    for (const pattern of this.allAt(bytes, at, end))
      if (found === undefined || this.lengthOf(pattern) > this.lengthOf(found)) found = pattern;
    return found;
  }
}

/** Its moves fit into a byte. */
const MOST_WINDOW = 255;

function pairAt(bytes: Uint8Array, last: number): number {
  return ((bytes[last - 1] ?? 0) << 8) | (bytes[last] ?? 0);
}

function isAt(pattern: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (pattern[i] !== bytes[at + i]) return false;
  return true;
}

/** Looks through a stream that comes in pieces, and tells the strings that stand in it, each once. */
export class StreamSearch {
  readonly #search: ByteSearch;
  readonly #found: Set<number>;
  #tail: Uint8Array = new Uint8Array();

  /** `found` receives the numbers of the strings. */
  constructor(search: ByteSearch, found: Set<number>) {
    this.#search = search;
    this.#found = found;
  }

  /** The next bytes, which are not kept: only a copy of the last few. */
  push(bytes: Uint8Array): void {
    const overlap = this.#search.longest - 1;
    if (this.#tail.length > 0) {
      const seam = Buffer.concat([this.#tail, bytes.subarray(0, overlap)]);
      // What lies in `bytes` alone is found there.
      findAll(this.#search, seam, this.#found, this.#tail.length);
    }
    findAll(this.#search, bytes, this.#found);
    if (bytes.length >= overlap) this.#tail = Uint8Array.from(bytes.subarray(bytes.length - overlap));
    else this.#tail = Uint8Array.from(Buffer.concat([this.#tail, bytes])).subarray(-overlap);
  }

  /** The next bytes belong to another stream. */
  restart(): void {
    this.#tail = new Uint8Array();
  }
}

/** Enters the numbers of the strings that stand in the bytes and begin before `until`. */
export function findAll(search: ByteSearch, bytes: Uint8Array, found: Set<number>, until = bytes.length): void {
  for (let from = 0; from < until;) {
    const match = search.find(bytes, from);
    if (match === undefined || match.at >= until) return;
    for (const pattern of search.allAt(bytes, match.at)) found.add(pattern);
    from = match.at + 1;
  }
}

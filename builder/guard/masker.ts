// Takes secrets out of texts and out of output that comes in pieces.

import { ByteSearch } from "../core/byte-search.ts";

/** Stands where something was withheld. */
const WITHHELD = Buffer.from("<withheld>");

/** Withholds byte strings; more may be added at any time. */
export class Masker {
  readonly #forms: Uint8Array[] = [];
  #search: ByteSearch | undefined;

  add(forms: readonly Uint8Array[]): void {
    this.#forms.push(...forms);
    this.#search = new ByteSearch(this.#forms);
  }

  /** A text without them, line by line: their own line ends stay. */
  text(text: string): string {
    if (this.#search === undefined) return text;
    const bytes = Buffer.from(text, "utf8");
    const spans = spansOf(this.#search, bytes, undefined);
    return spans.length === 0 ? text : masked(bytes, bytes.length, spans, false).toString("utf8");
  }

  /** For output that comes in pieces. */
  stream(): MaskedStream {
    return new MaskedStream(() => this.#search);
  }
}

/** Output that is passed on without secrets, wherever it is cut. Only what may be the beginning of one is held back. */
export class MaskedStream {
  readonly #search: () => ByteSearch | undefined;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of `#held` that belong to something of which it was told that it is withheld; undefined where nothing is. */
  #told: number | undefined;

  constructor(search: () => ByteSearch | undefined) {
    this.#search = search;
  }

  /** The next bytes, as far as they can be passed on. */
  push(data: Uint8Array): Buffer {
    const bytes = this.#held.length === 0 ? Buffer.from(data) : Buffer.concat([this.#held, data]);
    return this.#pass(bytes, this.#search()?.openFrom(bytes) ?? bytes.length);
  }

  /** What was held back: the output has ended. */
  end(): Buffer {
    return this.#pass(this.#held, this.#held.length);
  }

  #pass(bytes: Buffer, end: number): Buffer {
    const spans = spansOf(this.#search(), bytes, this.#told);
    const passed = masked(bytes, end, spans, this.#told !== undefined);
    const isTold = ({ from }: Span): boolean => from < end || (from === 0 && this.#told !== undefined);
    const last = spans.findLast(isTold);
    this.#told = last === undefined || last.to < end ? undefined : last.to - end;
    this.#held = Buffer.from(bytes.subarray(end));
    return passed;
  }
}

interface Span {
  readonly from: number;
  to: number;
}

/** Where strings stand, those that touch as one; `told`: how far the one reaches that was told before. */
function spansOf(search: ByteSearch | undefined, bytes: Uint8Array, told: number | undefined): Span[] {
  const spans: Span[] = told === undefined ? [] : [{ from: 0, to: told }];
  if (search === undefined) return spans;
  for (let match = search.find(bytes); match !== undefined; match = search.find(bytes, match.at + 1)) {
    const to = match.at + search.lengthOf(match.pattern);
    const last = spans.at(-1);
    if (last !== undefined && match.at <= last.to) last.to = Math.max(last.to, to);
    else spans.push({ from: match.at, to });
  }
  return spans;
}

/** The bytes up to `end`; when the first span was told before, it is not told again. */
function masked(bytes: Buffer, end: number, spans: readonly Span[], isFirstTold: boolean): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const [number, { from, to }] of spans.entries()) {
    if (from >= end) break;
    parts.push(bytes.subarray(at, from));
    if (number > 0 || !isFirstTold) parts.push(WITHHELD);
    at = Math.min(to, end);
  }
  parts.push(bytes.subarray(at, end));
  return Buffer.concat(parts);
}

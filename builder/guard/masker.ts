// Takes secrets out of texts and out of output that comes in pieces.

import { ByteSearch } from "../core/bytes/byte-search.ts";
import type { EncodedForm, LogForms } from "./forms.ts";

/** Stands where something was withheld. */
const WITHHELD = Buffer.from("<withheld>");

/** Withholds byte strings; more may be added at any time. */
export class Masker {
  readonly #plain: Uint8Array[] = [];
  readonly #encoded: EncodedForm[] = [];
  #search: MaskSearch | undefined;

  add({ plain, encoded }: LogForms): void {
    this.#plain.push(...plain);
    this.#encoded.push(...encoded);
    if (this.#plain.length > 0) this.#search = new MaskSearch(this.#plain, this.#encoded);
  }

  /** A text without them, line by line: their own line ends stay. */
  text(text: string): string {
    if (this.#search === undefined) return text;
    const bytes = Buffer.from(text, "utf8");
    const spans = this.#search.spans(bytes);
    return spans.length === 0 ? text : masked(bytes, 0, bytes.length, spans, false).toString("utf8");
  }

  /** For output that comes in pieces. */
  stream(): MaskedStream {
    return new MaskedStream(() => this.#search);
  }
}

/** Output that is passed on without secrets, wherever it is cut. Only what may be the beginning of one is held back. */
export class MaskedStream {
  readonly #search: () => MaskSearch | undefined;
  /** The last bytes, of which the first `#passed` were passed on. */
  #bytes: Buffer = Buffer.alloc(0);
  #passed = 0;
  /** Bytes after those that belong to something of which it was told that it is withheld; undefined where nothing is. */
  #told: number | undefined;

  constructor(search: () => MaskSearch | undefined) {
    this.#search = search;
  }

  /** The next bytes, as far as they can be passed on. */
  push(data: Uint8Array): Buffer {
    const bytes = this.#bytes.length === 0 ? Buffer.from(data) : Buffer.concat([this.#bytes, data]);
    const { held, kept } = this.#search()?.openFrom(bytes) ?? { held: bytes.length, kept: bytes.length };
    return this.#pass(bytes, Math.max(held, this.#passed), kept);
  }

  /** What was held back: the output has ended. */
  end(): Buffer {
    return this.#pass(this.#bytes, this.#bytes.length, this.#bytes.length);
  }

  /** Passes on what is before `end`; what is from `kept` on is looked at again. */
  #pass(bytes: Buffer, end: number, kept: number): Buffer {
    const search = this.#search();
    const passed = this.#passed;
    const isTold = this.#told !== undefined;
    const known = this.#told === undefined ? [] : [{ from: passed, to: passed + this.#told }];
    const found = (search?.spans(bytes) ?? []).flatMap(({ from, to }) =>
      to > passed ? [{ from: Math.max(from, passed), to }] : [],
    );
    const spans = joined([...known, ...found]);
    const last = spans.findLast(({ from }) => from < end || (from === passed && isTold));
    this.#told = last === undefined || last.to < end ? undefined : last.to - end;
    this.#bytes = Buffer.from(bytes.subarray(kept));
    this.#passed = end - kept;
    return masked(bytes, passed, end, spans, isTold);
  }
}

interface Span {
  readonly from: number;
  to: number;
}

/** The strings of a masker, in bytes as they are and in bytes without line ends. */
class MaskSearch {
  readonly #plain: ByteSearch;
  readonly #encoded: readonly EncodedForm[];
  readonly #unwrapped: ByteSearch | undefined;
  /** Bytes at the end in which an encoded string may stand, line ends among them. */
  readonly #reach: number;

  constructor(plain: readonly Uint8Array[], encoded: readonly EncodedForm[]) {
    this.#plain = new ByteSearch(plain);
    this.#encoded = encoded;
    this.#unwrapped = encoded.length === 0 ? undefined : new ByteSearch(encoded.map(({ bytes }) => bytes));
    this.#reach = 2 * (this.#unwrapped?.longest ?? 0);
  }

  /** Where strings stand, those that touch as one; line ends are in none that is encoded. */
  spans(bytes: Uint8Array): Span[] {
    const spans = matchesOf(this.#plain, bytes).map(({ at, pattern }) => ({
      from: at,
      to: at + this.#plain.lengthOf(pattern),
    }));
    return joined([...spans, ...this.#encodedSpans(bytes)]);
  }

  /**
   * From where on bytes may be the beginning of a string, and are held; and from where on they must be known when others
   * come. None are held, or kept, that begin with the end.
   */
  openFrom(bytes: Uint8Array): { readonly held: number; readonly kept: number } {
    const plain = this.#plain.openFrom(bytes);
    if (this.#unwrapped === undefined) return { held: plain, kept: plain };
    const { view, place } = unwrap(bytes.subarray(-this.#reach));
    const skipped = Math.max(0, bytes.length - this.#reach);
    const end = view.length;
    const placeOf = (at: number): number => (at >= end ? bytes.length : skipped + place(at));
    /** With the character before, which may hold bits of the secret. */
    const bordered = (at: number): number => (isBase64(view[at - 1]) ? at - 1 : at);
    // After a string that ends here a character may come that holds bits of it.
    const known = this.#unwrapped.openFrom(view, true);
    const open = known === end ? end : this.#unwrapped.openFrom(view);
    // After the end of a line few characters say nothing: the others are recognised by them when they come.
    const isPassed = isLineEnd(bytes.at(-1)) && end - open < LEAST_BEFORE_LINE_END;
    const held = isPassed ? plain : Math.min(plain, placeOf(bordered(open)));
    return { held, kept: Math.min(held, known === end ? bytes.length : placeOf(bordered(known))) };
  }

  #encodedSpans(bytes: Uint8Array): Span[] {
    if (this.#unwrapped === undefined) return [];
    const { view, place } = unwrap(bytes);
    return matchesOf(this.#unwrapped, view).flatMap(({ at, pattern }) => {
      const form = this.#encoded[pattern];
      const after = at + (form?.bytes.length ?? 0);
      const from = form?.sharesFirst === true && isBase64(view[at - 1]) ? at - 1 : at;
      const to = form?.sharesLast === true && isBase64(view[after]) ? after + 1 : after;
      return linesIn(place, from, to);
    });
  }
}

const LEAST_BEFORE_LINE_END = 4;

function matchesOf(search: ByteSearch, bytes: Uint8Array): { readonly at: number; readonly pattern: number }[] {
  const found = [];
  for (let match = search.find(bytes); match !== undefined; match = search.find(bytes, match.at + 1)) found.push(match);
  return found;
}

/** Bytes without line ends, and where each of them stood. */
function unwrap(bytes: Uint8Array): { readonly view: Uint8Array; readonly place: (at: number) => number } {
  let end = bytes.length;
  while (isLineEnd(bytes[end - 1])) end--;
  const whole = bytes.subarray(0, end);
  if (!whole.includes(10) && !whole.includes(13)) return { view: whole, place: (at) => at };
  const view = new Uint8Array(whole.length);
  /** Where lines begin, in the view and in the bytes. */
  const lines: { readonly at: number; readonly from: number }[] = [];
  let length = 0;
  let carriage = whole.indexOf(13);
  for (let from = 0; from < end;) {
    const feed = whole.indexOf(10, from);
    if (carriage >= 0 && carriage < from) carriage = whole.indexOf(13, from);
    const to = Math.min(feed < 0 ? end : feed, carriage < 0 ? end : carriage);
    if (to > from) {
      view.set(whole.subarray(from, to), length);
      lines.push({ at: length, from });
      length += to - from;
    }
    from = to + 1;
  }
  const place = (at: number): number => {
    const line = lines[lastAt(lines, at)];
    return line === undefined ? at : line.from + at - line.at;
  };
  return { view: view.subarray(0, length), place };
}

/** The number of the line in which a place of the view is. */
function lastAt(lines: readonly { readonly at: number }[], at: number): number {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lines[middle]?.at ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The parts of a span of unwrapped bytes that stand together. */
function linesIn(place: (at: number) => number, from: number, to: number): Span[] {
  const spans: Span[] = [];
  for (let at = from; at < to; at++) {
    const last = spans.at(-1);
    if (last?.to === place(at)) last.to++;
    else spans.push({ from: place(at), to: place(at) + 1 });
  }
  return spans;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === 10 || byte === 13;
}

/** Letters, digits and "+/-_". */
function isBase64(byte: number | undefined): boolean {
  return byte !== undefined && /[\w+/-]/.test(String.fromCharCode(byte));
}

/** Those that touch as one. */
function joined(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = found.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else found.push({ from, to });
  }
  return found;
}

/** The bytes between; when the first span was told before, it is not told again. */
function masked(bytes: Buffer, start: number, end: number, spans: readonly Span[], isFirstTold: boolean): Buffer {
  const parts: Buffer[] = [];
  let at = start;
  for (const [number, { from, to }] of spans.entries()) {
    if (from >= end) break;
    parts.push(bytes.subarray(at, from));
    if (number > 0 || !isFirstTold) parts.push(WITHHELD);
    at = Math.min(to, end);
  }
  parts.push(bytes.subarray(at, end));
  return Buffer.concat(parts);
}

// Takes secrets out of texts and out of output that comes in pieces.

import { ByteSearch } from "../core/byte-search.ts";
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
    const open = this.#search()?.openFrom(bytes) ?? bytes.length;
    return this.#pass(bytes, Math.max(open, this.#passed));
  }

  /** What was held back: the output has ended. */
  end(): Buffer {
    return this.#pass(this.#bytes, this.#bytes.length);
  }

  #pass(bytes: Buffer, end: number): Buffer {
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
    const from = Math.max(0, end - (search?.context ?? 0));
    this.#bytes = Buffer.from(bytes.subarray(from));
    this.#passed = end - from;
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
  /** Bytes that were passed on and of which an encoded string may go on. */
  readonly context: number;

  constructor(plain: readonly Uint8Array[], encoded: readonly EncodedForm[]) {
    this.#plain = new ByteSearch(plain);
    this.#encoded = encoded;
    this.#unwrapped = encoded.length === 0 ? undefined : new ByteSearch(encoded.map(({ bytes }) => bytes));
    this.context = 2 * (this.#unwrapped?.longest ?? 0);
  }

  /** Where strings stand, those that touch as one; line ends are in none that is encoded. */
  spans(bytes: Uint8Array): Span[] {
    const spans = matchesOf(this.#plain, bytes).map(({ at, pattern }) => ({
      from: at,
      to: at + this.#plain.lengthOf(pattern),
    }));
    return joined([...spans, ...this.#encodedSpans(bytes)]);
  }

  /** Where a string may begin that goes on after the end; the number of bytes when none does. */
  openFrom(bytes: Uint8Array): number {
    const plain = this.#plain.openFrom(bytes);
    if (this.#unwrapped === undefined) return plain;
    const { view, place } = unwrap(bytes.subarray(-this.context));
    const skipped = Math.max(0, bytes.length - this.context);
    const open = this.#unwrapped.openFrom(view);
    // After the end of a line few characters say nothing: the others are recognised by them when they come.
    if (isLineEnd(bytes.at(-1)) && view.length - open < LEAST_BEFORE_LINE_END) return plain;
    // The character before may hold bits of the secret.
    const first = isBase64(view[open - 1]) ? open - 1 : open;
    return first === view.length ? plain : Math.min(plain, skipped + place(first));
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
  if (!bytes.some(isLineEnd)) return { view: bytes, place: (at) => at };
  const view = new Uint8Array(bytes.length);
  const places = new Uint32Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (isLineEnd(byte)) continue;
    view[length] = byte;
    places[length++] = at;
  }
  return { view: view.subarray(0, length), place: (at) => places[at] ?? bytes.length };
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

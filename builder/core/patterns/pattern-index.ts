// Which patterns of a long list can match a path at all: by the text that a pattern must begin or end with. Each file of
// a context is held against every line of an ignore file; most lines name something else.

import type { BytePath } from "../bytes/byte-path.ts";
import { bytePath } from "../bytes/byte-path.ts";

/** What a path must be, begin with or end with, to be matched. */
export interface PatternKey {
  readonly by: "all" | "start" | "end" | "nothing";
  readonly text: BytePath;
}

const NO_KEY: PatternKey = { by: "nothing", text: "" };

/** The key of a pattern that has wildcards. */
export function keyOfWildcard(pattern: string): PatternKey {
  // Alternatives, repeats and odd characters: what stands there need not be in the path.
  if (/[|{^\ufeff\ufffd]/.test(pattern)) return NO_KEY;
  const start = /^[^*?[\]\\]*/.exec(pattern)?.[0] ?? "";
  if (start !== "") return { by: "start", text: bytePath(start) };
  const end = /[^*?[\]\\]*$/.exec(pattern)?.[0] ?? "";
  const before = pattern.slice(0, pattern.length - end.length);
  // The slash of "**/" may be missing, and the character behind "\" belongs to it.
  const sure = before.endsWith("**") ? end.replace(/^\//, "") : before.endsWith("\\") ? "" : end;
  return sure === "" ? NO_KEY : { by: "end", text: bytePath(sure) };
}

/** A list is searched from its start where it is so short. */
const FEW = 8;

export class PatternIndex {
  readonly #all: readonly number[] | undefined;
  readonly #whole = new Map<BytePath, number[]>();
  readonly #starts = new Texts();
  readonly #ends = new Texts();
  readonly #others: number[] = [];

  constructor(keys: readonly PatternKey[]) {
    if (keys.length <= FEW) this.#all = [...keys.keys()];
    for (const [number, { by, text }] of keys.entries()) {
      if (by === "all") addTo(this.#whole, text, number);
      else if (by === "start") this.#starts.add(text, number);
      else if (by === "end") this.#ends.add(text, number);
      else this.#others.push(number);
    }
  }

  /** The numbers of the patterns that may match a path, in no order. */
  candidates(path: BytePath): readonly number[] {
    if (this.#all !== undefined) return this.#all;
    const found = [...this.#others, ...(this.#whole.get(path) ?? [])];
    this.#starts.find(path.length, (length) => path.slice(0, length), found);
    this.#ends.find(path.length, (length) => path.slice(path.length - length), found);
    return found;
  }
}

/** Texts by their length, then by themselves. */
class Texts {
  readonly #byLength = new Map<number, Map<BytePath, number[]>>();

  add(text: BytePath, number: number): void {
    const texts = this.#byLength.get(text.length) ?? new Map<BytePath, number[]>();
    this.#byLength.set(text.length, texts);
    addTo(texts, text, number);
  }

  find(most: number, cut: (length: number) => BytePath, into: number[]): void {
    for (const [length, texts] of this.#byLength) {
      if (length <= most) for (const number of texts.get(cut(length)) ?? []) into.push(number);
    }
  }
}

function addTo(map: Map<BytePath, number[]>, text: BytePath, number: number): void {
  const known = map.get(text);
  if (known === undefined) map.set(text, [number]);
  else known.push(number);
}

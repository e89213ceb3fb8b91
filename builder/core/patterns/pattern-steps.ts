// Runs an expression over a path by following every position in it at once: the time is that of the path times the
// expression, whatever stars there are.

/** One step of an expression. */
export type Step =
  | CharStep
  /** The given number of steps, counted from this one, may be left out. */
  | { readonly leap: number }
  /** Takes no character, and holds only in some places: "^", "$", "\\b", "\\B". */
  | { readonly place: string };

/** One character or, repeated, any number of them. */
interface CharStep {
  /** An expression for one character. */
  readonly source: string;
  readonly isRepeated?: boolean;
}

/** One of the things that an expression with "|" may match. */
export interface Alternative {
  readonly steps: readonly Step[];
  /** Whether it must begin where the path begins, and end where that ends. */
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

/** What "**" before a slash becomes: a leap over itself and the two steps behind it. */
export const GROUP_STEPS = 3;

/** A test of paths. */
export function follower(alternatives: readonly Alternative[]): (path: string) => boolean {
  const tests = new CharTests();
  const runs = alternatives.map((alternative) => {
    const anything = { source: ANYTHING, isRepeated: true };
    const before = alternative.fromStart ? [] : [anything];
    const after = alternative.toEnd ? [] : [anything];
    return new Run([...before, ...withoutRepeats(alternative.steps), ...after], tests);
  });
  return (path) => {
    const chars = Array.from(path);
    return runs.some((run) => run.matches(chars));
  };
}

const ANYTHING = "[^]";
/** What "*" becomes. */
const STAR = "[^\\u{2f}]";

/** Without stars that add nothing to those before them, so that no more are left than a path can have characters. */
function withoutRepeats(steps: readonly Step[]): Step[] {
  const kept: Step[] = [];
  let last = "";
  // Of stars in a row: once "**/" and then "*" have come, all is matched.
  let hasGroup = false;
  let isFull = false;
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at];
    if (step === undefined) break;
    const size = "leap" in step ? step.leap : 1;
    const kind = size === GROUP_STEPS ? "**/" : "source" in step && step.isRepeated === true ? step.source : "";
    const isRedundant = kind !== "" && (kind === last || (isFull && (kind === "**/" || kind === STAR)));
    if (!isRedundant) kept.push(...steps.slice(at, at + size));
    at += size - 1;
    isFull = kind !== "" && (isFull || (hasGroup && kind === STAR));
    hasGroup = kind !== "" && (hasGroup || kind === "**/");
    last = kind;
  }
  return kept;
}

class Run {
  readonly #steps: readonly Step[];
  readonly #tests: CharTests;
  /** Characters that a path must have. */
  readonly #least: number;

  constructor(steps: readonly Step[], tests: CharTests) {
    this.#steps = steps;
    this.#tests = tests;
    const needed = steps.reduce((sum, step) => sum + ("source" in step && step.isRepeated !== true ? 1 : 0), 0);
    this.#least = needed - steps.filter((step) => "leap" in step).length;
  }

  matches(chars: readonly string[]): boolean {
    if (chars.length < this.#least) return false;
    let live = this.#reach([0], chars, 0);
    for (const [index, char] of chars.entries()) {
      const next: number[] = [];
      for (const at of live) {
        const step = this.#steps[at];
        if (step === undefined || !("source" in step) || !this.#tests.accepts(step.source, char)) continue;
        next.push(step.isRepeated === true ? at : at + 1);
      }
      if (next.length === 0) return false;
      live = this.#reach(next, chars, index + 1);
    }
    return live.has(this.#steps.length);
  }

  /** The positions, and those that can be had from them without a character. */
  #reach(positions: number[], chars: readonly string[], index: number): Set<number> {
    const found = new Set<number>();
    const open = positions.reverse();
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (found.has(at)) continue;
      found.add(at);
      const step = this.#steps[at];
      if (step === undefined) continue;
      if ("leap" in step) open.push(at + step.leap, at + 1);
      else if ("source" in step) {
        if (step.isRepeated === true) open.push(at + 1);
      } else if (isPlace(step.place, chars, index)) open.push(at + 1);
    }
    return found;
  }
}

function isPlace(place: string, chars: readonly string[], index: number): boolean {
  switch (place) {
    case "^":
      return index === 0;
    case "$":
      return index === chars.length;
    default:
      return (isWord(chars[index - 1]) !== isWord(chars[index])) === (place === "\\b");
  }
}

function isWord(char: string | undefined): boolean {
  return char !== undefined && /^\w$/.test(char);
}

/** Which characters an expression for one accepts; remembered, since the same ones come again and again. */
class CharTests {
  readonly #known = new Map<string, { readonly expression: RegExp; readonly results: Map<string, boolean> }>();

  accepts(source: string, char: string): boolean {
    let test = this.#known.get(source);
    if (test === undefined) {
      test = { expression: new RegExp(`^${source}$`, "u"), results: new Map() };
      this.#known.set(source, test);
    }
    let result = test.results.get(char);
    if (result === undefined) {
      result = test.expression.test(char);
      if (test.results.size < MOST_REMEMBERED) test.results.set(char, result);
    }
    return result;
  }
}

const MOST_REMEMBERED = 1000;

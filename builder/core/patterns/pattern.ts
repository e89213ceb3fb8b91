// Lists of patterns, as .dockerignore and COPY --exclude have them (moby/patternmatcher): later patterns win,
// "!" takes back, "**" crosses directories, and what matches a directory matches all beneath it.

import { posix } from "node:path";
import { bytePath, displayPath } from "../bytes/byte-path.ts";
import type { BytePath } from "../bytes/byte-path.ts";
import { BuildError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { BadPattern, checkGlob } from "./glob.ts";
import type { PatternKey } from "./pattern-index.ts";
import { PatternIndex, keyOfWildcard } from "./pattern-index.ts";
import { compileExpression } from "./pattern-syntax.ts";

/** What a walker does with a path. */
export type Verdict =
  | "kept"
  /** Left out. A directory must still be walked, and belongs to the result if anything beneath it is kept. */
  | "excluded"
  /** A directory, left out with all beneath it. */
  | "excluded-tree";

/** Compiles patterns as they are written. Throws `code` for one that breaks the syntax. */
export function compilePatterns(patterns: readonly string[], code: ErrorCode = "CONTEXT"): PatternList {
  const compiled: Pattern[] = [];
  for (const written of patterns) {
    const text = written.trim();
    if (text === "") continue;
    try {
      compiled.push(compilePattern(cleanPath(text)));
    } catch (error) {
      if (!(error instanceof BadPattern) && !(error instanceof IllegalException)) throw error;
      throw new BuildError(code, `invalid excludepatterns: [${patterns.join(" ")}]: ${error.message}`, {
        hint: `the pattern is "${written}"`,
      });
    }
  }
  return new PatternList(compiled);
}

/** A compiled list. Paths are relative, without "." and a trailing slash. */
export class PatternList {
  /** Whether a pattern takes back ("!") what others match. */
  readonly hasExceptions: boolean;
  readonly #patterns: readonly Pattern[];
  readonly #index: PatternIndex;
  readonly #exceptions: Exceptions;

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.#index = new PatternIndex(patterns.map(({ key }) => key));
    this.#exceptions = new Exceptions(patterns.filter((pattern) => pattern.isException));
    this.hasExceptions = patterns.some((pattern) => pattern.isException);
  }

  /** Whether the list matches a path or a directory above it (moby's MatchesOrParentMatches). */
  matchesPath(path: BytePath): boolean {
    return this.deciding(path) !== undefined;
  }

  /** The number of the pattern that leaves a path out, from 0, blank ones not counted; undefined if none does. */
  deciding(path: BytePath): number | undefined {
    const candidates = new Map<number, BytePath[]>();
    for (const part of pathAndParents(path)) {
      for (const number of this.#index.candidates(part)) {
        const parts = candidates.get(number);
        if (parts === undefined) candidates.set(number, [part]);
        else parts.push(part);
      }
    }
    let deciding: number | undefined;
    for (const [number, parts] of [...candidates].sort(([a], [b]) => a - b)) {
      const pattern = this.#patterns[number];
      if (pattern === undefined || pattern.isException !== (deciding !== undefined)) continue;
      if (parts.some((part) => pattern.matches(part))) deciding = pattern.isException ? undefined : number;
    }
    return deciding;
  }

  /** Begins a walk in which each directory is visited before what is in it. */
  walk(): PatternWalk {
    return new PatternWalk(this.#patterns, this.#index, this.#exceptions);
  }
}

/** Judges the paths of one walk; a directory's results are kept for what is beneath it. */
export class PatternWalk {
  readonly #patterns: readonly Pattern[];
  readonly #index: PatternIndex;
  readonly #exceptions: Exceptions;
  readonly #open: { readonly prefix: BytePath; readonly matched: readonly number[] }[] = [];

  constructor(patterns: readonly Pattern[], index: PatternIndex, exceptions: Exceptions) {
    this.#patterns = patterns;
    this.#index = index;
    this.#exceptions = exceptions;
  }

  /** What to do with a path. Its directory must have been visited, if it has one. */
  visit(path: BytePath, isDirectory: boolean): Verdict {
    while (this.#open.length > 0 && !path.startsWith(this.#open.at(-1)?.prefix ?? "")) this.#open.pop();
    const { isMatched, matched } = this.#match(path, this.#open.at(-1)?.matched ?? []);
    if (isDirectory) this.#open.push({ prefix: `${path}/`, matched });
    if (!isMatched) return "kept";
    return isDirectory && !this.#exceptions.mayMatchBeneath(path) ? "excluded-tree" : "excluded";
  }

  /** moby's MatchesUsingParentResults: what matched the directory matches what is in it, pattern by pattern. Gives their numbers, in order. */
  #match(path: BytePath, inherited: readonly number[]): { isMatched: boolean; matched: readonly number[] } {
    const ofParent = new Set(inherited);
    const possible = new Set([...inherited, ...this.#index.candidates(path)]);
    let isMatched = false;
    const matched: number[] = [];
    for (const number of [...possible].sort((a, b) => a - b)) {
      const pattern = this.#patterns[number];
      if (pattern === undefined) continue;
      if (!ofParent.has(number) && (pattern.isException !== isMatched || !pattern.matches(path))) continue;
      isMatched = !pattern.isException;
      matched.push(number);
    }
    return { isMatched, matched };
  }
}

/** The patterns that take back. */
class Exceptions {
  /** Directories above what they name; undefined where wildcards leave that open. */
  readonly #above: ReadonlySet<BytePath> | undefined;

  constructor(patterns: readonly Pattern[]) {
    if (patterns.some(({ base }) => /[*[\]?^\\]/.test(base))) return;
    this.#above = new Set(patterns.flatMap(({ base }) => pathAndParents(base)));
  }

  /** Whether one of them can match beneath an excluded directory; one with wildcards always may. */
  mayMatchBeneath(directory: BytePath): boolean {
    return this.#above === undefined || this.#above.has(directory);
  }
}

interface Pattern {
  readonly key: PatternKey;
  readonly isException: boolean;
  /** The pattern without "/**" and then "/*" at its end, as a byte path (fsutil, filter.go: patternWithoutTrailingGlob). */
  readonly base: BytePath;
  matches(path: BytePath): boolean;
}

class IllegalException extends Error {}

function compilePattern(cleaned: string): Pattern {
  const isException = cleaned.startsWith("!");
  const text = isException ? cleaned.slice(1) : cleaned;
  if (text === "") throw new IllegalException('illegal exclusion pattern: "!"');
  checkGlob(text);
  const base = bytePath(text.replace(/\/\*\*$/, "").replace(/\/\*$/, ""));
  return { isException, base, ...compileTest(text) };
}

/** Plain patterns are compared as bytes; the others become an expression. */
function compileTest(text: string): Pick<Pattern, "key" | "matches"> {
  const isPlain = (part: string): boolean => !/[*?[\]\\]/.test(part);
  if (isPlain(text)) {
    const exact = bytePath(text);
    return { key: { by: "all", text: exact }, matches: (path) => path === exact };
  }
  if (text.endsWith("**") && isPlain(text.slice(0, -2))) {
    const prefix = bytePath(text.slice(0, -2));
    return { key: { by: "start", text: prefix }, matches: (path) => path.startsWith(prefix) };
  }
  if (text.startsWith("**") && isPlain(text.slice(2))) {
    const suffix = bytePath(text.slice(2));
    const name = suffix.replace(/^\//, "");
    return { key: { by: "end", text: name }, matches: (path) => path.endsWith(suffix) || path === name };
  }
  const test = compileExpression(text);
  return { key: keyOfWildcard(text), matches: (path) => test(displayPath(path)) };
}

/** The path first, then its directories from the top. */
function pathAndParents(path: BytePath): BytePath[] {
  const parts = [path];
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1))
    parts.push(path.slice(0, slash));
  return parts;
}

/** Go's filepath.Clean. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

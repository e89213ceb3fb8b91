// Lists of patterns, as .dockerignore and COPY --exclude have them (moby/patternmatcher): later patterns win,
// "!" takes back, "**" crosses directories, and what matches a directory matches all beneath it.

import { posix } from "node:path";
import { bytePath, displayPath } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { BuildError } from "./errors.ts";
import type { ErrorCode } from "./errors.ts";
import { BadPattern, checkGlob } from "./glob.ts";
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

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.hasExceptions = patterns.some((pattern) => pattern.isException);
  }

  /** Whether the list matches a path or a directory above it (moby's MatchesOrParentMatches). */
  matchesPath(path: BytePath): boolean {
    let isMatched = false;
    for (const pattern of this.#patterns) {
      if (pattern.isException !== isMatched) continue;
      if (pathAndParents(path).some((part) => pattern.matches(part))) isMatched = !pattern.isException;
    }
    return isMatched;
  }

  /** Begins a walk in which each directory is visited before what is in it. */
  walk(): PatternWalk {
    return new PatternWalk(this.#patterns);
  }
}

/** Judges the paths of one walk; a directory's results are kept for what is beneath it. */
export class PatternWalk {
  readonly #patterns: readonly Pattern[];
  readonly #exceptions: readonly Pattern[];
  readonly #open: { readonly prefix: BytePath; readonly matched: readonly boolean[] }[] = [];

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.#exceptions = patterns.filter((pattern) => pattern.isException);
  }

  /** What to do with a path. Its directory must have been visited, if it has one. */
  visit(path: BytePath, isDirectory: boolean): Verdict {
    while (this.#open.length > 0 && !path.startsWith(this.#open.at(-1)?.prefix ?? "")) this.#open.pop();
    const { isMatched, matched } = this.#match(path, this.#open.at(-1)?.matched);
    if (isDirectory) this.#open.push({ prefix: `${path}/`, matched });
    if (!isMatched) return "kept";
    return isDirectory && !this.#mayKeepBeneath(path) ? "excluded-tree" : "excluded";
  }

  /** moby's MatchesUsingParentResults: what matched the directory matches what is in it, pattern by pattern. */
  #match(path: BytePath, parent: readonly boolean[] | undefined): { isMatched: boolean; matched: boolean[] } {
    let isMatched = false;
    const matched = this.#patterns.map((pattern, index) => {
      if (parent?.[index] !== true && (pattern.isException !== isMatched || !pattern.matches(path))) return false;
      isMatched = !pattern.isException;
      return true;
    });
    return { isMatched, matched };
  }

  /** Whether an exception can match beneath an excluded directory; one with wildcards always may. */
  #mayKeepBeneath(directory: BytePath): boolean {
    if (this.#exceptions.length === 0) return false;
    if (this.#exceptions.some(({ base }) => /[*[\]?^\\]/.test(base))) return true;
    return this.#exceptions.some(({ base }) => `${base}/`.startsWith(`${directory}/`));
  }
}

interface Pattern {
  readonly isException: boolean;
  /** The pattern without "/*" and "/**" at its end, as a byte path. */
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
  return { isException, base, matches: compileTest(text) };
}

/** Plain patterns are compared as bytes; the others become an expression. */
function compileTest(text: string): (path: BytePath) => boolean {
  if (!/[*?[\]\\]/.test(text)) {
    const exact = bytePath(text);
    return (path) => path === exact;
  }
  const isPlain = (part: string): boolean => !/[*?[\]\\]/.test(part);
  if (text.endsWith("**") && isPlain(text.slice(0, -2))) {
    const prefix = bytePath(text.slice(0, -2));
    return (path) => path.startsWith(prefix);
  }
  if (text.startsWith("**") && isPlain(text.slice(2))) {
    const suffix = bytePath(text.slice(2));
    return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  }
  const test = compileExpression(text);
  return (path) => test(displayPath(path));
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

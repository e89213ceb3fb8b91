// The patterns of ${v#p}, ${v%p} and ${v/p/text}: "*" and "?" that do not match a newline, and "\" before "*", "?", "\",
// "}" and "/". BuildKit turns them into regular expressions. Here the pieces between the stars are looked for one after
// the other: a star can take all up to the end of its line, so the first place where a piece fits is as good as any for
// what follows, and nothing is tried twice.

/** What is wrong with a word; `expand.ts` says in which. */
export class ShellSyntaxError extends Error {}

/** Without the shortest (or longest) start that matches. */
export function trimPrefix(pattern: string, value: string, isLongest: boolean): string {
  const end = new Matcher(pattern, value).matchAt(0, isLongest);
  return end === undefined ? value : value.slice(end);
}

/** Without the shortest (or longest) end that matches. */
export function trimSuffix(pattern: string, value: string, isLongest: boolean): string {
  return reverse(trimPrefix(reversePattern(pattern), reverse(value), isLongest));
}

/** The first leftmost longest match replaced, or all of them. With `isAll` the text is a template of Go's regexp ("$0" is the match). */
export function replaceMatches(pattern: string, value: string, text: string, isAll: boolean, limit: number): string {
  const matcher = new Matcher(pattern, value);
  if (!isAll) {
    const match = matcher.next(0);
    return match === undefined ? value : value.slice(0, match.start) + text + value.slice(match.end);
  }
  let result = "";
  const add = (part: string): void => {
    result += part;
    if (result.length > limit) throw new ShellSyntaxError(`result is longer than ${limit} characters`);
  };
  let copied = 0;
  for (let match = matcher.next(0); match !== undefined;) {
    const { start, end } = match;
    add(value.slice(copied, start));
    // An empty match directly behind another match is not replaced.
    if (end > copied || start === 0) add(expandTemplate(text, value.slice(start, end)));
    copied = end;
    match = end > start ? matcher.next(end) : matcher.next(start + Math.max(1, sizeAt(value, start)));
  }
  add(value.slice(copied));
  return result;
}

interface Match {
  readonly start: number;
  readonly end: number;
}

/** What stands between two stars: characters, undefined where any will do. `text`: without those it is looked for as a whole. */
interface Piece {
  readonly chars: readonly (string | undefined)[];
  readonly text: string | undefined;
}

/** Pieces with "?" are tried place by place: more tries than this are refused. */
const MAX_TRIES = 2 ** 27;

class Matcher {
  readonly #value: string;
  /** Pieces with a star between each two. */
  readonly #pieces: readonly Piece[];
  /** Where pieces were found last, and from where on they were looked for. */
  readonly #places = new Map<Piece, { readonly from: number; readonly start: number }>();

  constructor(pattern: string, value: string) {
    this.#value = value;
    this.#pieces = parsePattern(pattern);
    const tried = this.#pieces.reduce((sum, { chars, text }) => sum + (text === undefined ? chars.length : 0), 0);
    if (tried * value.length > MAX_TRIES)
      throw new ShellSyntaxError(`a pattern of this length is not matched against ${value.length} characters`);
  }

  /** Where a match that begins here ends: the shortest or longest, which are what Go's lazy and greedy stars find. */
  matchAt(start: number, isLongest: boolean): number | undefined {
    const [first, ...others] = this.#pieces;
    const end = first && this.#fits(first, start);
    return end === undefined ? undefined : this.#matchRest(others, end, isLongest);
  }

  /** The first match that begins here or later, as long as can be. */
  next(from: number): Match | undefined {
    const [first, ...others] = this.#pieces;
    if (first === undefined) return undefined;
    let failedTo = -1;
    for (let at = from; at <= this.#value.length;) {
      const head = this.#find(first, at, this.#value.length);
      if (head === undefined) return undefined;
      if (head.end > failedTo) {
        const end = this.#matchRest(others, head.end, true);
        if (end !== undefined) return { start: head.start, end };
        // What fails here fails from all places that are left in this line.
        failedTo = this.#lineEnd(head.end);
      }
      const reaching = first.text === undefined ? 0 : failedTo + 1 - first.text.length;
      at = Math.max(head.start + Math.max(1, sizeAt(this.#value, head.start)), reaching);
    }
    return undefined;
  }

  /** Places what follows a star, and the stars after that. */
  #matchRest(pieces: readonly Piece[], from: number, isLongest: boolean): number | undefined {
    let at = from;
    for (const [index, piece] of pieces.entries()) {
      const isLast = index === pieces.length - 1;
      const lineEnd = this.#lineEnd(at);
      if (isLast && isLongest) return this.#findLast(piece, at, lineEnd);
      const found = this.#find(piece, at, lineEnd);
      if (found === undefined) return undefined;
      at = found.end;
    }
    return at;
  }

  /** The first place between two positions at which a piece begins. */
  #find(piece: Piece, from: number, to: number): Match | undefined {
    const { text } = piece;
    if (text !== undefined) {
      const start = this.#firstPlace(piece, text, from);
      return start > to ? undefined : { start, end: start + text.length };
    }
    for (let start = from; start <= to; start += Math.max(1, sizeAt(this.#value, start))) {
      const end = this.#fits(piece, start);
      if (end !== undefined) return { start, end };
    }
    return undefined;
  }

  /** The first place of a piece from a position on, beyond the end if there is none. It is looked for in steps that only go on. */
  #firstPlace(piece: Piece, text: string, from: number): number {
    const known = this.#places.get(piece);
    if (known !== undefined && known.from <= from && known.start >= from) return known.start;
    const found = this.#value.indexOf(text, from);
    const start = found < 0 ? Infinity : found;
    this.#places.set(piece, { from, start });
    return start;
  }

  /** Where the piece ends that begins last between two positions. */
  #findLast(piece: Piece, from: number, to: number): number | undefined {
    const { text } = piece;
    if (text === "") return to;
    if (text !== undefined) {
      // Back to front, since looking for the last place takes more time the more often it nearly fits.
      const units = this.#value.slice(from, to + text.length);
      const start = reverse(units).indexOf(reverse(text));
      return start < 0 ? undefined : from + units.length - start;
    }
    for (let start = to; start >= from; start--) {
      if (start > 0 && sizeAt(this.#value, start - 1) === 2) continue;
      const end = this.#fits(piece, start);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  /** Where a piece that begins here ends; undefined if it does not fit. */
  #fits({ chars, text }: Piece, start: number): number | undefined {
    if (text !== undefined) return this.#value.startsWith(text, start) ? start + text.length : undefined;
    let at = start;
    for (const wanted of chars) {
      const size = sizeAt(this.#value, at);
      if (size === 0) return undefined;
      if (wanted === undefined ? this.#value[at] === "\n" : !this.#value.startsWith(wanted, at)) return undefined;
      at += size;
    }
    return at;
  }

  #lineEnd(at: number): number {
    const newline = this.#value.indexOf("\n", at);
    return newline < 0 ? this.#value.length : newline;
  }
}

function parsePattern(pattern: string): Piece[] {
  const chars = Array.from(pattern.startsWith("\ufeff") ? pattern.slice(1) : pattern);
  const pieces: (string | undefined)[][] = [];
  let piece: (string | undefined)[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char === "*") {
      if (piece.length > 0 || pieces.length === 0) pieces.push(piece);
      piece = [];
    } else if (char === "?") piece.push(undefined);
    else if (char !== "\\") piece.push(char);
    else {
      const next = chars[i + 1] ?? "\ufffd";
      if (next === "}" || next === "/") continue;
      if (next !== "*" && next !== "?" && next !== "\\") {
        throw new ShellSyntaxError(`invalid pattern (${pattern}) in substitution: invalid escape '\\${next}'`);
      }
      piece.push(next);
      i++;
    }
  }
  pieces.push(piece);
  return pieces.map((each) => ({ chars: each, text: each.includes(undefined) ? undefined : each.join("") }));
}

/** Units of the character at a place; 0 at the end. */
function sizeAt(text: string, at: number): number {
  const code = text.codePointAt(at);
  return code === undefined ? 0 : code > 0xffff ? 2 : 1;
}

/** Go's Regexp.Expand without groups: "$0" and "${0}" are the match, other names nothing, "$$" a dollar. */
function expandTemplate(template: string, match: string): string {
  if (!template.includes("$")) return template;
  return template.replace(
    /\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu,
    (all, braced?: string, bare?: string) => {
      if (all === "$$") return "$";
      return (braced ?? bare) === "0" ? match : "";
    },
  );
}

/** Back to front, with each escape still before its character. */
function reversePattern(pattern: string): string {
  const out: string[] = [];
  const chars = Array.from(pattern);
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char === "\\" && i + 1 < chars.length) out.push(chars[++i] ?? "", char);
    else out.push(char);
  }
  return out.reverse().join("");
}

function reverse(text: string): string {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[text.length - 1 - at] = text.charCodeAt(at);
  const reversed = Buffer.from(units.buffer).toString("utf16le");
  return reversed.replace(/([\udc00-\udfff])([\ud800-\udbff])/g, "$2$1");
}

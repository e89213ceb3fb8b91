// The patterns of ${v#p}, ${v%p} and ${v/p/text}: "*" and "?" that do not match a newline, and "\" before
// "*", "?", "\", "}" and "/". BuildKit turns them into regular expressions; here the positions a match can
// have are followed through the pattern, which takes time in value × pattern at worst.

/** What is wrong with a word; `expand.ts` says in which. */
export class ShellSyntaxError extends Error {}

/** Without the shortest (or longest) start that matches. */
export function trimPrefix(pattern: string, value: string, isLongest: boolean): string {
  const tokens = parsePattern(pattern);
  const chars = charsOf(value);
  const end = matchEnd(tokens, chars, 0, isLongest);
  return end === undefined ? value : join(chars, end, chars.length);
}

/** Without the shortest (or longest) end that matches. */
export function trimSuffix(pattern: string, value: string, isLongest: boolean): string {
  return reverse(trimPrefix(reversePattern(pattern), reverse(value), isLongest));
}

/** The first leftmost longest match replaced, or all of them. With `isAll` the text is a template of Go's regexp ("$0" is the match). */
export function replaceMatches(pattern: string, value: string, text: string, isAll: boolean, limit: number): string {
  const tokens = parsePattern(pattern);
  const chars = charsOf(value);
  const starts = matchStarts(tokens, chars);
  if (!isAll) {
    const start = starts[0];
    if (start === undefined) return value;
    const end = matchEnd(tokens, chars, start, true) ?? start;
    return join(chars, 0, start) + text + join(chars, end, chars.length);
  }
  let result = "";
  let copied = 0;
  let searchFrom = 0;
  for (const start of starts) {
    if (start < searchFrom) continue;
    const end = matchEnd(tokens, chars, start, true) ?? start;
    result += join(chars, copied, start);
    // An empty match directly behind another match is not replaced.
    if (end > copied || start === 0) result += expandTemplate(text, join(chars, start, end));
    if (result.length > limit) throw new ShellSyntaxError(`result is longer than ${limit} characters`);
    copied = end;
    searchFrom = Math.max(end, searchFrom + 1);
  }
  return result + join(chars, copied, chars.length);
}

/** A literal character, or a wildcard. */
type Token = { readonly kind: "char"; readonly char: string } | { readonly kind: "any" } | { readonly kind: "star" };

/** Characters by index: the text itself where no character takes two units. */
type Chars = string | readonly string[];

function parsePattern(pattern: string): Token[] {
  const chars = Array.from(pattern.startsWith("\ufeff") ? pattern.slice(1) : pattern);
  const tokens: Token[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "any" });
    else if (char !== "\\") tokens.push({ kind: "char", char });
    else {
      const next = chars[i + 1] ?? "\ufffd";
      if (next === "}" || next === "/") continue;
      if (next !== "*" && next !== "?" && next !== "\\") {
        throw new ShellSyntaxError(`invalid pattern (${pattern}) in substitution: invalid escape '\\${next}'`);
      }
      tokens.push({ kind: "char", char: next });
      i++;
    }
  }
  return tokens;
}

/** Where a match that begins at `start` ends. Shortest and longest are what Go's lazy and greedy stars find. */
function matchEnd(tokens: readonly Token[], chars: Chars, start: number, isLongest: boolean): number | undefined {
  let live = [start];
  for (const token of tokens) {
    if (token.kind === "star") live = stretch(live, chars);
    else live = live.filter((at) => accepts(token, chars[at])).map((at) => at + 1);
    if (live.length === 0) return undefined;
  }
  return isLongest ? live.at(-1) : live[0];
}

/** Every position in which a match can begin, in order. */
function matchStarts(tokens: readonly Token[], chars: Chars): number[] {
  let live = Array.from({ length: chars.length + 1 }, (_, index) => index);
  for (const token of tokens.toReversed()) {
    if (token.kind === "star") live = stretchBack(live, chars);
    else live = live.filter((at) => accepts(token, chars[at - 1])).map((at) => at - 1);
    if (live.length === 0) break;
  }
  return live;
}

function accepts(token: Token, char: string | undefined): boolean {
  if (char === undefined) return false;
  return token.kind === "char" ? token.char === char : char !== "\n";
}

function stretch(live: readonly number[], chars: Chars): number[] {
  const next: number[] = [];
  let last = -1;
  for (const at of live) {
    if (at <= last) continue;
    next.push(at);
    for (last = at; last < chars.length && chars[last] !== "\n"; last++) next.push(last + 1);
  }
  return next;
}

function stretchBack(live: readonly number[], chars: Chars): number[] {
  const next: number[] = [];
  let last = chars.length + 1;
  for (const at of live.toReversed()) {
    if (at >= last) continue;
    next.push(at);
    for (last = at; last > 0 && chars[last - 1] !== "\n"; last--) next.push(last - 1);
  }
  return next.reverse();
}

/** Go's Regexp.Expand without groups: "$0" and "${0}" are the match, other names nothing, "$$" a dollar. */
function expandTemplate(template: string, match: string): string {
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
  return Array.from(text).reverse().join("");
}

function charsOf(text: string): Chars {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text;
}

function join(chars: Chars, start: number, end: number): string {
  return typeof chars === "string" ? chars.slice(start, end) : chars.slice(start, end).join("");
}

// White space as BuildKit sees it: Go's unicode.IsSpace, which is neither JavaScript's `\s`
// (that has U+FEFF and lacks U+0085) nor the ASCII set that separates words.

const SPACE = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const ONE = new RegExp(`^${SPACE}$`);
const LEADING = new RegExp(`^${SPACE}+`);

/** Whether one character is white space. */
export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return ONE.test(char);
}

/** Without white space at the start. */
export function trimStart(text: string): string {
  return text.replace(LEADING, "");
}

/** Without white space at both ends. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}

/** The words between runs of ASCII white space; a text without any is one word. */
export function splitWords(text: string): string[] {
  return text.split(/[\t\v\f\r ]+/);
}

/** The first word and what follows the white space after it; the rest is undefined when nothing separates. */
export function cutWord(text: string): { readonly word: string; readonly rest: string | undefined } {
  const gap = /[\t\v\f\r ]+/.exec(text);
  if (gap === null) return { word: text, rest: undefined };
  return { word: text.slice(0, gap.index), rest: text.slice(gap.index + gap[0].length) };
}

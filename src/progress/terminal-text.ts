// Text of other programs on our terminal: it must not move the cursor, clear the screen or set the title, and its
// width must be known.

// ECMA-48: CSI sequences, OSC/DCS/APC/PM/SOS strings, two-byte escapes, and the C1 forms of them. A string that is
// not ended takes the rest of the line.
const SEQUENCE =
  /\x1b\[[0-?]*[ -/]*(?:[@-~]|$)|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*(?:[0-~]|$)|\x9b[0-?]*[ -/]*[@-~]?|\x1b/g;
const COLOUR = /^\x1b\[[0-9;:]*m$/;
// Controls but ESC, tab and BEL, which ends strings; line and paragraph separators, and what turns the direction of writing around.
const CONTROL = /[\x00-\x06\x08\x0a-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The text without escape sequences and control characters, tabs as spaces: nothing of it can move the cursor. */
export function plainText(text: string): string {
  return sequencesOf(text, () => "").replaceAll("\t", "    ");
}

/** The same, but colours stay; the text ends with a reset when it had any. */
export function colouredText(text: string): string {
  let coloured = false;
  const kept = sequencesOf(text, (sequence) => {
    if (!COLOUR.test(sequence)) return "";
    coloured = true;
    return sequence;
  });
  return kept.replaceAll("\t", "    ") + (coloured ? "\x1b[0m" : "");
}

/** The same for a text of several lines. */
export function plainLines(text: string): string {
  return text.split("\n").map(plainText).join("\n");
}

// Controls go first, as a terminal ignores them inside a sequence; then every ESC that is left begins one that is judged.
function sequencesOf(text: string, judge: (sequence: string) => string): string {
  return text.replace(CONTROL, "").replace(SEQUENCE, judge).replaceAll("\x07", "");
}

/** What remains of a line that used carriage returns to overwrite itself: the last part that says something. */
export function lastOverwrite(line: string): string {
  if (!line.includes("\r")) return line;
  return line.split("\r").findLast((part) => part.trim() !== "") ?? "";
}

/** Columns of a text without escape sequences. */
export function columns(text: string): number {
  let count = 0;
  for (const character of text) count += widthOf(character.codePointAt(0) ?? 0);
  return count;
}

/** The beginning of a text without escape sequences that fits the width; a cut one ends in "…". */
export function cut(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let kept = "";
  let count = 0;
  for (const character of text) {
    const next = widthOf(character.codePointAt(0) ?? 0);
    if (count + next > width - 1) break;
    kept += character;
    count += next;
  }
  return width > 0 ? `${kept}…` : "";
}

const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
const EMOJI = /\p{Emoji_Presentation}/u;
const VARIATION_EMOJI = 0xfe0f;

/** 0 for what joins the character before it, 2 for East Asian wide characters (the blocks, not each character) and emoji, else 1. */
function widthOf(code: number): number {
  if (code < 0x300) return 1;
  // It makes an emoji of a character that was counted as one column.
  if (code === VARIATION_EMOJI) return 1;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f200 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  if (wide) return 2;
  const character = String.fromCodePoint(code);
  return EMOJI.test(character) ? 2 : ZERO_WIDTH.test(character) ? 0 : 1;
}

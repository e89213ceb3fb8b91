// Text of other programs on our terminal: it must not move the cursor, clear the screen or set the title, and its
// width must be known.

// ECMA-48: CSI sequences, OSC/DCS/APC/PM/SOS strings, two-byte escapes, and the C1 forms of them. A string that is
// not ended takes the rest of the line.
const SEQUENCE =
  /\x1b\[[0-?]*[ -/]*(?:[@-~]|$)|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*(?:[0-~]|$)|\x9b[0-?]*[ -/]*[@-~]?/g;
const COLOUR = /^\x1b\[[0-9;:]*m$/;
const CONTROL = /[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g;

/** The text without escape sequences and control characters, tabs as spaces: nothing of it can move the cursor. */
export function plainText(text: string): string {
  return text.replace(SEQUENCE, "").replace(CONTROL, "").replaceAll("\x1b", "").replaceAll("\t", "    ");
}

/** The same, but colours stay; the text ends with a reset when it had any. */
export function colouredText(text: string): string {
  let coloured = false;
  const kept = text.replace(SEQUENCE, (sequence) => {
    if (!COLOUR.test(sequence)) return "";
    coloured = true;
    return sequence;
  });
  const clean = kept.replace(CONTROL, "").replaceAll("\t", "    ");
  return coloured ? `${clean}\x1b[0m` : clean.replaceAll("\x1b", "");
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

/** 0 for combining marks, 2 for East Asian wide characters and emoji, else 1 (the blocks, not each character). */
function widthOf(code: number): number {
  if (code < 0x300) return 1;
  if (code <= 0x36f || (code >= 0x200b && code <= 0x200f) || (code >= 0xfe00 && code <= 0xfe0f)) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

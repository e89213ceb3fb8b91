// Text and names of images as a terminal can show them: nothing in them moves the cursor, sets the title, or turns the
// direction of writing, and what is shown can be told from what looks like it.

import type { BytePath } from "../../builder/core/bytes/byte-path.ts";

/** Text with control and direction characters as escapes: `\n`, `\x1b`, `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapeOf);
}

/** A file name: also backslashes are escaped, and bytes that are no UTF-8 (`\377`), so that every name is shown differently. */
export function printableName(name: BytePath): string {
  if (PLAIN_NAME.test(name)) return name;
  let shown = "";
  // Each byte that is not UTF-8 becomes a unit of its own in the private place U+DC80 to U+DCFF, which UTF-8 cannot hold.
  for (const character of decode(Buffer.from(name, "latin1"))) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) shown += `\\${(code - 0xdc00).toString(8)}`;
    else if (character === "\\") shown += "\\\\";
    else shown += printable(character);
  }
  return shown;
}

/** The name as text and, where that loses bytes, the bytes as base64: what JSON says of a name. */
export function namedInJson<K extends string>(key: K, name: BytePath): { readonly [P in K | `${K}Bytes`]?: string } {
  const bytes = Buffer.from(name, "latin1");
  const text = bytes.toString("utf8");
  const isLossless = Buffer.compare(Buffer.from(text, "utf8"), bytes) === 0;
  const both = { [key]: text, ...(isLossless ? {} : { [`${key}Bytes`]: bytes.toString("base64") }) };
  return both as { readonly [P in K | `${K}Bytes`]?: string }; // the keys that were just written
}

// C0, DEL and C1; marks of direction, joiners, separators of lines and paragraphs (UAX #9, 2.6), byte order mark.
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const PLAIN_NAME = /^[\x20-\x5b\x5d-\x7e]*$/;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeOf(character: string): string {
  const code = character.charCodeAt(0);
  const short = SHORT[character];
  if (short !== undefined) return short;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

function decode(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  let decoded = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) decoded += String.fromCharCode(0xdc00 + (bytes[at++] ?? 0));
    else {
      decoded += bytes.toString("utf8", at, at + length);
      at += length;
    }
  }
  return decoded;
}

/** Bytes of the UTF-8 character at a place; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length < 2) return length;
  const part = bytes.subarray(at, at + length);
  return Buffer.compare(Buffer.from(part.toString("utf8"), "utf8"), part) === 0 ? length : 0;
}

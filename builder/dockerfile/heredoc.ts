// Here-documents: which words of a line begin one, and what they are called.

import type { Heredoc } from "./instruction.ts";
import { expandWords } from "./expand.ts";
import { BuildError } from "../core/errors.ts";

/** A here-document whose lines are still to be read. */
export type HeredocStart = Omit<Heredoc, "content">;

const START = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;
const NO_VARIABLES = new Map<string, string>();

/** The here-documents that an instruction's line begins, in order. Throws `DOCKERFILE`. */
export function heredocsOf(line: string): HeredocStart[] {
  const found: HeredocStart[] = [];
  for (const word of wordsOf(line)) {
    const heredoc = parseHeredoc(word);
    if (heredoc !== undefined) found.push(heredoc);
  }
  return found;
}

/** Reads one word as the start of a here-document. Throws `DOCKERFILE`. */
function parseHeredoc(word: string): HeredocStart | undefined {
  const [match, fd, dash, rest] = START.exec(word) ?? [];
  if (match === undefined || rest === undefined || rest === "") return undefined;
  const words = expandWords(rest, NO_VARIABLES, "\\", { skipUnset: true });
  const name = words[0];
  if (words.length !== 1 || name === undefined) return undefined;
  const raw = expandWords(rest, NO_VARIABLES, "\\", { skipUnset: true, rawQuotes: true })[0] ?? "";
  return { name, expand: countQuotes(raw) === countQuotes(name), chomp: dash === "-", fd: Number(fd) };
}

/** As `parseHeredoc`, where what cannot be read is an ordinary word. */
export function heredocOrWord(word: string): HeredocStart | undefined {
  try {
    return parseHeredoc(word);
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

/** Without the tabs that begin its lines (`<<-`). */
export function chompTabs(content: string): string {
  return content.replace(/^\t+/gm, "");
}

/** A line with unbalanced quotes has no words, thus no here-document. */
function wordsOf(line: string): string[] {
  try {
    return expandWords(line, NO_VARIABLES, "\\", { skipUnset: true, rawQuotes: true, rawEscapes: true });
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
}

function countQuotes(text: string): number {
  return text.split(/['"]/).length - 1;
}

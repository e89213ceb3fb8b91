// On which line of a long instruction a word stands. An error has the place of the whole instruction, as
// BuildKit's has; in a RUN of forty lines that is little help. dockerfile-ast knows the place of every word.
// It is loaded only here, and only for an error: it takes 30 ms to load, and its idea of what continues a
// line is not BuildKit's, so it decides nothing.

import type * as DockerfileAst from "dockerfile-ast";
import { createRequire } from "node:module";
import type { SourceRange } from "../core/errors.ts";

/** An error about one word of an instruction. */
export class WordError extends Error {
  readonly word: string;

  constructor(message: string, word: string) {
    super(message);
    this.word = word;
  }
}

/** Larger instructions are not searched: the parser's time grows faster than its text. In characters. */
const SEARCH_LIMIT = 100_000;

/** A hint that names the line of an error's word; undefined where the instruction has one line, or the word is not found. */
export function wordHint(error: unknown, text: string, escape: string, range: SourceRange): string | undefined {
  if (!(error instanceof WordError) || range.startLine === range.endLine) return undefined;
  const lines = text.split("\n").slice(range.startLine - 1, range.endLine);
  const header = `# escape=${escape}\n`;
  const line = findWord(header + lines.join("\n"), error.word);
  return line === undefined ? undefined : `"${error.word}" is on line ${range.startLine + line - 1}`;
}

/** The line of a word, from 0. */
function findWord(text: string, word: string): number | undefined {
  if (text.length > SEARCH_LIMIT) return undefined;
  try {
    for (const instruction of parser().parse(text).getInstructions()) {
      const flags = "getFlags" in instruction ? (instruction as DockerfileAst.ModifiableInstruction).getFlags() : [];
      const place =
        flags.find((flag) => flag.toString() === word) ??
        instruction.getArguments().find((argument) => argument.getValue() === word);
      if (place !== undefined) return place.getRange().start.line;
    }
  } catch {
    // No line is better than a second error.
  }
  return undefined;
}

let loaded: typeof DockerfileAst.DockerfileParser | undefined;

function parser(): typeof DockerfileAst.DockerfileParser {
  if (loaded === undefined) {
    // `require` has no type here; the package's own types say what it is.
    const ast = createRequire(import.meta.url)("dockerfile-ast") as typeof DockerfileAst;
    loaded = ast.DockerfileParser;
  }
  return loaded;
}

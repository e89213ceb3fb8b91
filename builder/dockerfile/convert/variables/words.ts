// Variables in the words of instructions.

import type { SourceRange } from "../../../core/errors.ts";
import { expandWord, expandWords } from "../../expand.ts";
import type { EnvLookup, ExpandOptions } from "../../expand.ts";
import type { Conversion } from "../conversion.ts";
import type { Stage } from "../stages/stage.ts";
import { NO_VARIABLES } from "./variables.ts";

/** Replaces the variables of a word, and says which it did not know. */
export function expandIn(conversion: Conversion, stage: Stage, range: SourceRange, word: string): string {
  return expandAndReport(conversion, stage, range, word, conversion.dockerfile.directives.escape);
}

/** As `expandIn`, for the content of a here-document: quotes stay. */
export function expandContent(conversion: Conversion, stage: Stage, range: SourceRange, content: string): string {
  return expandAndReport(conversion, stage, range, content, "\\", { skipQuotes: true });
}

function expandAndReport(
  conversion: Conversion,
  stage: Stage,
  range: SourceRange,
  word: string,
  escape: string,
  options: ExpandOptions = {},
): string {
  const unmatched = new Set<string>();
  try {
    return expandWord(word, stage.variables, escape, { ...options, unmatched }).result;
  } finally {
    reportUnmatched(conversion, stage, range, unmatched);
  }
}

/** Replaces variables and splits at spaces. */
export function expandList(conversion: Conversion, stage: Stage, word: string): readonly string[] {
  return expandWords(word, stage.variables, conversion.dockerfile.directives.escape);
}

/** An instruction's text as progress shows it; left as it is where it cannot be expanded. */
export function expandForDisplay(
  conversion: Conversion,
  text: string,
  variables: EnvLookup,
  isCommand: boolean,
): string {
  try {
    const options = isCommand ? { rawQuotes: true, skipUnset: true } : {};
    return expandWord(text, variables, conversion.dockerfile.directives.escape, options).result;
  } catch {
    return text;
  }
}

function reportUnmatched(
  { findings }: Conversion,
  { variables }: Stage,
  range: SourceRange,
  unmatched: Iterable<string>,
): void {
  for (const name of unmatched) {
    if (!variables.isDeclared(name) && !NO_VARIABLES.has(name)) findings.undefinedVariable(name, variables, range);
  }
}

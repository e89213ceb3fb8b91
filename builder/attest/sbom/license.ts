// Declared licences: an expression of SPDX's identifiers, or words that are none.

import parse from "spdx-expression-parse";

/** Nobody declares more; what is longer is the text of a licence. */
const MOST_CHARACTERS = 500;

/** The expression, when it is one; references to texts that only its author has are not. */
export function spdxExpression(declared: string): string | undefined {
  const text = declared.trim();
  if (text === "" || text.length > MOST_CHARACTERS || /LicenseRef|DocumentRef/i.test(text)) return undefined;
  try {
    parse(text);
    return text;
  } catch {
    return undefined;
  }
}

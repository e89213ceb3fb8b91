// One CSV record, as Go's encoding/csv reads it: docker's flags with several fields (`--output`, `--secret`,
// `--annotation`) are such records, and scripts quote in them.

import { BuildError } from "../../../builder/core/errors.ts";

/** The fields of one record. Throws `USAGE`; `what` names the flag in the message. */
export function parseCsv(text: string, what: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = "";
    if (text[at] === '"') {
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0) throw invalid(what, text, 'a field opened with " is not closed');
        field += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
      if (at < text.length && text[at] !== ",") throw invalid(what, text, 'something follows a closing "');
    } else {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      field = text.slice(at, end);
      if (field.includes('"')) throw invalid(what, text, 'a " stands inside an unquoted field');
      at = end;
    }
    fields.push(field);
    if (at >= text.length) return fields;
    at++;
  }
}

/** Writes fields so that `parseCsv` reads them back. */
export function formatCsv(fields: readonly string[]): string {
  return fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}

/** One `key=value`; `key` in lower case, as docker compares it, and as it was written. */
export interface Pair {
  readonly key: string;
  readonly written: string;
  readonly value: string;
}

/** The fields as key and value. Throws `USAGE` for a field without "=". */
export function parsePairs(text: string, what: string): Pair[] {
  return parseCsv(text, what).map((field) => {
    const equals = field.indexOf("=");
    if (equals < 0) {
      throw new BuildError("USAGE", `${what}: invalid field "${field}", it must be a key=value pair`);
    }
    const written = field.slice(0, equals).trim();
    return { key: written.toLowerCase(), written, value: field.slice(equals + 1) };
  });
}

function invalid(what: string, text: string, why: string): BuildError {
  return new BuildError("USAGE", `${what}: "${text}" is not a comma-separated list: ${why}`);
}

// One line of comma-separated fields, as `--mount` and other options write them (RFC 4180).

import { fault } from "../fault.ts";

/** The fields of a line. A field in double quotes may contain commas, and "" for a quote. */
export function csvFields(line: string): string[] {
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    const [field, after] = rest.startsWith('"') ? quotedField(rest) : plainField(rest);
    fields.push(field);
    if (after === "") return fields;
    rest = after.slice(1);
  }
}

function plainField(text: string): [string, string] {
  const comma = text.indexOf(",");
  const field = comma < 0 ? text : text.slice(0, comma);
  if (field.includes('"')) throw fault('failed to parse csv mounts: bare " in non-quoted field');
  return [field, text.slice(field.length)];
}

function quotedField(text: string): [string, string] {
  const match = /^"((?:[^"]|"")*)"(?=,|$)/s.exec(text);
  if (match === null) throw fault('failed to parse csv mounts: extraneous or missing " in quoted-field');
  return [(match[1] ?? "").replaceAll('""', '"'), text.slice(match[0].length)];
}

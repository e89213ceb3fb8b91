// `--chown`, `--chmod` and USER as the file op takes them.

import type { ModeSpec, OwnerSpec } from "../../../graph/op.ts";
import { fault } from "../fault.ts";

/**
 * "user", "user:group", by name or number. Names are looked up in the destination, so
 * on an empty one (scratch, `--link`) they are an error.
 */
export function ownerSpec(text: string, isDestinationEmpty: boolean): OwnerSpec {
  const colon = text.indexOf(":");
  const user = idOrName(colon < 0 ? text : text.slice(0, colon));
  const group = colon < 0 ? undefined : idOrName(text.slice(colon + 1));
  if (isDestinationEmpty && (typeof user === "string" || typeof group === "string")) {
    throw fault(
      "invalid user index: -1",
      `"${text}" is a name, and there is no /etc/passwd to look it up: give numbers`,
    );
  }
  return { user, ...(group === undefined ? {} : { group }) };
}

/** Numbers and "root" are ids, and so is nothing at all; what does not fit in 31 bits counts as a name, as in BuildKit. */
function idOrName(text: string): string | number {
  if (text === "root" || text === "") return 0;
  const id = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return id >= -(2 ** 31) && id < 2 ** 31 ? id : text;
}

const SYMBOLIC = /^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*$/;

/** `--chmod`: octal up to 07777, or symbolic as for chmod(1). */
export function modeSpec(text: string): ModeSpec {
  const octal = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (octal <= 0o7777) return { octal };
  if (SYMBOLIC.test(text)) return { symbolic: text };
  throw fault(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
}

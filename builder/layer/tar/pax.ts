// Pax extended headers (POSIX.1-2024, pax, "pax Extended Header"): records of
// "<length> <key>=<value>\n", where the length counts the whole record in bytes. Keys
// and values are kept as byte strings: values of SCHILY.xattr.* are any bytes.

import { invalidArchive } from "./tar-format.ts";

/** Records in the order of the archive; a key may come more than once (GNU sparse 0.0 does that). */
export type PaxRecords = readonly (readonly [key: string, value: string])[];

/** Prefix of the keys that carry extended attributes. */
export const XATTR_KEY = "SCHILY.xattr.";

/** Reads the content of an extended header. Throws `ARCHIVE_INVALID`. */
export function parsePax(bytes: Buffer): PaxRecords {
  const records: [string, string][] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
    const end = at + Number(digits);
    const equals = space < 0 ? -1 : bytes.indexOf(0x3d, space);
    const isWhole = /^[0-9]{1,10}$/.test(digits) && end <= bytes.length && bytes[end - 1] === 0x0a;
    if (!isWhole || equals < space + 2 || equals >= end) {
      // Some writers pad the records with NULs.
      if (bytes.subarray(at).every((byte) => byte === 0)) break;
      throw invalidArchive("a pax record is damaged");
    }
    records.push([bytes.toString("latin1", space + 1, equals), bytes.toString("latin1", equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** Writes records, sorted by key as Go's archive/tar writes them. */
export function formatPax(records: ReadonlyMap<string, string>): Buffer {
  const keys = [...records.keys()].sort();
  return Buffer.from(keys.map((key) => formatRecord(key, records.get(key) ?? "")).join(""), "latin1");
}

function formatRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3; // " ", "=", "\n"
  let length = rest + String(rest).length;
  // The length counts its own digits: 9 + 1 digit is 10, which has 2.
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** "1350244992.023960108" or "-0.5" as nanoseconds; more than nine digits are cut. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)([0-9]{1,19})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw invalidArchive(`a pax time is damaged: ${JSON.stringify(text)}`);
  const [, sign = "", seconds = "0", fraction = ""] = match;
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -ns : ns;
}

/** Nanoseconds as pax writes a time: no more digits than needed. */
export function formatPaxTime(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns;
  const fraction = (magnitude % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${ns < 0n ? "-" : ""}${magnitude / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A decimal number of a pax record. */
export function parsePaxNumber(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalidArchive(`a pax number is damaged: ${JSON.stringify(text)}`);
  return value;
}

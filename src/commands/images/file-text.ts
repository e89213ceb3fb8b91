// A file of an image as a line of text and as JSON.

import type { ListedFile } from "../../../builder/list-files.ts";
import { namedInJson, printableName } from "../../cli/printable.ts";

type Entry = ListedFile["entry"];

/** `-rwxr-xr-x`, `0:0`, size or device numbers, time, name with its target: the columns of `ls -ln`. */
export function fileLine(file: ListedFile): string[] {
  const { entry } = file;
  const isDevice = entry.type === "char" || entry.type === "block";
  const size = isDevice ? `${entry.major ?? 0}, ${entry.minor ?? 0}` : `${entry.size}`;
  return [modeText(entry), `${entry.uid}:${entry.gid}`, size, timeText(entry.mtimeNs), nameText(file, true)];
}

/** The name, printable; with its link's target where `withTarget`; and what a layer does to it. */
export function nameText({ name, entry, isOpaque }: ListedFile, withTarget = false): string {
  const target = withTarget && entry.link !== undefined ? ` -> ${printableName(entry.link)}` : "";
  const note = entry.type === "whiteout" ? " (deleted)" : isOpaque ? " (hides what is below)" : "";
  return `${printableName(name)}${target}${note}`;
}

/** Mode as ls writes it: type, three times rwx, setuid, setgid and sticky as s, S, t, T. */
export function modeText({ type, mode }: Pick<Entry, "type" | "mode">): string {
  const bits = [0o400, 0o200, 0o100, 0o40, 0o20, 0o10, 0o4, 0o2, 0o1];
  const letters = bits.map((bit, at) => ((mode & bit) === 0 ? "-" : "rwx"[at % 3]));
  const special = (bit: number, at: number, letter: string): void => {
    if ((mode & bit) !== 0) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return `${LETTERS[type]}${letters.join("")}`;
}

const LETTERS: Readonly<Record<Entry["type"], string>> = {
  file: "-",
  dir: "d",
  symlink: "l",
  hardlink: "h",
  char: "c",
  block: "b",
  fifo: "p",
  whiteout: "w",
  opaque: "w",
};

/** A listed file with all it has. */
export function fileToJson({ name, entry, isOpaque }: ListedFile): Readonly<Record<string, unknown>> {
  return { ...namedInJson("name", name), ...entryToJson(entry), ...(isOpaque ? { opaque: true } : {}) };
}

/** What is known of a path, but for its name. */
export function entryToJson(entry: Entry): Readonly<Record<string, unknown>> {
  const { type, mode, uid, gid, size, mtimeNs, link, major, minor, digest, xattrs } = entry;
  if (type === "whiteout") return { type };
  return {
    type,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    ...(type === "file" ? { size } : {}),
    mtime: timeText(mtimeNs),
    ...(link === undefined ? {} : namedInJson("link", link)),
    ...(major === undefined ? {} : { major, minor }),
    ...(digest === undefined ? {} : { digest }),
    ...(xattrs === undefined ? {} : { xattrs: xattrsToJson(xattrs) }),
  };
}

/** Values are bytes: base64. */
function xattrsToJson(xattrs: NonNullable<Entry["xattrs"]>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(xattrs).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
}

const NS_IN_SECOND = 1_000_000_000n;

/** RFC 3339 in UTC, with as many digits as the time has. */
export function timeText(mtimeNs: bigint): string {
  const fraction = ((mtimeNs % NS_IN_SECOND) + NS_IN_SECOND) % NS_IN_SECOND;
  const seconds = (mtimeNs - fraction) / NS_IN_SECOND;
  const date = new Date(Number(seconds) * 1000);
  // A tar may hold any number; dates end in the year 275760.
  if (Number.isNaN(date.getTime())) return `${seconds}s`;
  const digits = fraction === 0n ? "" : `.${fraction.toString().padStart(9, "0").replace(/0+$/, "")}`;
  return `${date.toISOString().slice(0, -".000Z".length)}${digits}Z`;
}

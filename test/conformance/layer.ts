// A layer as the goldens have it: entries in the tar's order, then by path with hard links in one form.

import { createHash } from "node:crypto";
import path from "node:path";

import { type Member, readTar } from "./tar.ts";

/** One inode; hard links of a tree share the object. */
export interface Entry {
  type: string;
  /** Octal. */
  mode?: string;
  uid?: number;
  gid?: number;
  size?: number;
  sha256?: string;
  link?: string;
  dev?: string;
  xattrs?: Record<string, string>;
  mtime?: number;
}

export type Entries = Record<string, Entry>;

/** Path (without a leading slash; "" is the root folder) and entry of every member. */
export function readLayer(tar: Buffer): [string, Entry][] {
  return [...readTar(tar)].map((member) => [normalPath(showBytes(member.name)), entryOf(member)]);
}

/**
 * By path. The smallest name of a hard-link group is the file, the others link to it. The root folder itself is left out;
 * of a whiteout nothing but that it is one counts. Names that are there twice are told beside it.
 */
export function canonicalLayer(members: readonly (readonly [string, Entry])[]): { entries: Entries; twice: string[] } {
  const entries = new Map<string, Entry>();
  const twice: string[] = [];
  for (const [name, entry] of members) {
    if (name === "") continue;
    if (entries.has(name)) twice.push(name);
    const base = path.posix.basename(name);
    const type = base === ".wh..wh..opq" ? "opaque" : base.startsWith(".wh.") ? "whiteout" : undefined;
    entries.set(name, type === undefined ? entry : { type });
  }
  for (const [file, names] of hardLinks(entries)) {
    const real = entries.get(file);
    const [first = file, ...others] = names.toSorted();
    for (const name of others) entries.set(name, { type: "hardlink", link: first });
    if (real !== undefined) entries.set(first, real);
  }
  return { entries: Object.fromEntries([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))), twice };
}

/** Text of a name; bytes that are no UTF-8 stand as \xNN. */
function showBytes(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((length) => isCharacter(bytes.subarray(at, at + length)));
    const piece = bytes.subarray(at, at + (length ?? 1));
    text += length === undefined ? `\\x${piece.toString("hex")}` : piece.toString();
    at += piece.length;
  }
  return text;
}

export function normalPath(name: string): string {
  return path.posix.normalize(`/${name}`).replace(/^\/+|\/+$/g, "");
}

function isCharacter(bytes: Buffer): boolean {
  const text = bytes.toString();
  return [...text].length === 1 && Buffer.from(text).equals(bytes);
}

function entryOf(member: Member): Entry {
  const entry: Entry = { type: member.type, mode: member.mode.toString(8), uid: member.uid, gid: member.gid };
  switch (member.type) {
    case "file":
      entry.size = member.content.length;
      entry.sha256 = createHash("sha256").update(member.content).digest("hex");
      break;
    case "symlink":
      // The mode of a symbolic link means nothing.
      entry.mode = "777";
      entry.link = showBytes(member.link);
      break;
    case "hardlink":
      entry.link = normalPath(showBytes(member.link));
      break;
    case "char":
    case "block":
      entry.dev = member.device;
      break;
    case "dir":
    case "fifo":
  }
  if (member.attributes.size > 0) {
    entry.xattrs = Object.fromEntries([...member.attributes].map(([key, value]) => [key, showAttribute(value)]));
  }
  entry.mtime = member.mtime;
  return entry;
}

function showAttribute(value: Buffer): string {
  const text = value.toString("latin1");
  return /^[\x20-\x7e\xa1-\xac\xae-\xff]*$/.test(text) ? text : `0x${value.toString("hex")}`;
}

/** The names of each group, by the name that carries the content. */
function hardLinks(entries: ReadonlyMap<string, Entry>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [name, entry] of entries) {
    if (entry.type !== "hardlink") continue;
    let target = entry.link ?? "";
    for (let hops = 0; hops < 1000 && entries.get(target)?.type === "hardlink"; hops++) {
      target = entries.get(target)?.link ?? "";
    }
    if (entries.has(target)) groups.set(target, [...(groups.get(target) ?? [target]), name]);
  }
  return groups;
}

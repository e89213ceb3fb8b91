// What a cache mount holds, as it travels: its files with owner, mode, time, links and attributes, and the chunks that the
// content of its regular files is cut into, one file after the other in the order of the list. JSON in one zstd frame;
// docs/cache-mounts.md is the format's description. Reading trusts nothing: a list that could lead out of its directory,
// or says other sizes than its chunks have, is refused.

import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as v from "valibot";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, parentOf } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Entry } from "../../layer/entry.ts";
import { comparePaths } from "../../layer/order.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import { CHUNK_BYTES } from "./cutter.ts";

/** A blob that is a chunk, compressed (one zstd frame). */
export interface ChunkBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** A piece of the content. */
export interface Chunk {
  /** Of its bytes as they are. */
  readonly digest: Digest;
  readonly size: number;
  readonly blob: ChunkBlob;
}

export interface MountListing {
  /** In the order of the content; one that repeats is named again. */
  readonly chunks: readonly Chunk[];
  /** Sorted, the directory itself (path "") first; files, directories, symbolic and hard links only. */
  readonly entries: readonly Entry[];
}

/** Bytes of a list, packed and unpacked: some two million files. */
export const MOST_LISTING_BYTES = { packed: 64 << 20, unpacked: 400 << 20 } as const;
/** The longest path that the kernel takes, and more than any mount needs in links and attributes. */
const MOST_PATH_BYTES = 4096;
const MOST_XATTR_BYTES = 64 << 10;
/** As for layers: below so many bytes nothing is harmed, however well they are packed. */
const RATIO_FLOOR_BYTES = 8 * 2 ** 30;

const NAMES = { dir: "dir", file: "file", symlink: "symlink", hardlink: "hardlink" } as const;

/** The list as bytes; equal mounts give equal ones. Throws `UNSUPPORTED` when there are too many files. */
export function writeListing({ chunks, entries }: MountListing): Uint8Array {
  const head = `{"chunks":${JSON.stringify(chunks.map(({ digest, size, blob }) => ({ digest, size, blob })))},"files":[\n`;
  const text = `${head}${entries.map((entry) => JSON.stringify(fileOf(entry))).join(",\n")}\n]}\n`;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length > MOST_LISTING_BYTES.unpacked)
    throw new BuildError("UNSUPPORTED", `it has too many files to travel: ${entries.length}`);
  return zstdCompressSync(bytes);
}

function fileOf({ path, type, mode, uid, gid, size, mtimeNs, link, xattrs }: Entry): {
  readonly [key: string]: unknown;
} {
  const attributes = Object.entries(xattrs ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("base64")]);
  return {
    path,
    type,
    mode,
    uid,
    gid,
    ...(type === "file" ? { size } : {}),
    mtime: String(mtimeNs),
    ...(link === undefined ? {} : { link }),
    ...(attributes.length === 0 ? {} : { xattrs: Object.fromEntries(attributes) }),
  };
}

const Whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Id = v.pipe(Whole, v.maxValue(2 ** 32 - 2));
const DigestText = v.custom<Digest>((input) => typeof input === "string" && isDigest(input), "is not a sha256 digest");
/** One character a byte. */
const Path = v.pipe(v.string(), v.maxLength(MOST_PATH_BYTES), v.regex(/^[\u0001-\u00ff]*$/));
const ListingSchema = v.object({
  chunks: v.array(
    v.object({
      digest: DigestText,
      size: v.pipe(Whole, v.minValue(1), v.maxValue(CHUNK_BYTES.most)),
      // zstd makes no frame of this size from less.
      blob: v.object({ digest: DigestText, size: v.pipe(Whole, v.maxValue(CHUNK_BYTES.most + (64 << 10))) }),
    }),
  ),
  files: v.array(
    v.object({
      path: Path,
      type: v.enum(NAMES),
      mode: v.pipe(Whole, v.maxValue(0o7777)),
      uid: Id,
      gid: Id,
      size: v.optional(Whole, 0),
      mtime: v.pipe(v.string(), v.regex(/^-?\d{1,20}$/)),
      link: v.exactOptional(Path),
      xattrs: v.exactOptional(v.record(v.pipe(v.string(), v.maxLength(255)), v.pipe(v.string(), v.base64()))),
    }),
  ),
});

/** Reads a list from elsewhere; `what` names it. Throws `ARCHIVE_INVALID`. */
export function readListing(bytes: Uint8Array, limits: UnpackLimits, what: string): MountListing {
  const refuse = (why: string): never => {
    throw new BuildError("ARCHIVE_INVALID", `${what} is no valid cache mount: ${why}`);
  };
  let json: unknown;
  try {
    const text = zstdDecompressSync(bytes, { maxOutputLength: MOST_LISTING_BYTES.unpacked });
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    throw new BuildError("ARCHIVE_INVALID", `the list of ${what} is no JSON in zstd, or too long`, { cause: error });
  }
  const read = v.safeParse(ListingSchema, json);
  if (!read.success) {
    const [issue] = read.issues;
    return refuse(`"${v.getDotPath(issue) ?? "it"}": ${issue.message}`);
  }
  const { chunks } = read.output;
  const entries = read.output.files.map((file): Entry => {
    const { mtime, xattrs, ...rest } = file;
    const attributes = Object.entries(xattrs ?? {}).map(
      ([name, value]) => [name, Buffer.from(value, "base64")] as const,
    );
    const total = attributes.reduce((sum, [, value]) => sum + value.length, 0);
    if (total > MOST_XATTR_BYTES) refuse(`the attributes of "${displayPath(file.path)}" are too long`);
    const strange = attributes.find(([name]) => !isTravellingXattr(name));
    if (strange !== undefined) refuse(`"${displayPath(file.path)}" has the attribute "${strange[0]}"`);
    return {
      ...rest,
      mtimeNs: BigInt(mtime),
      ...(attributes.length === 0 ? {} : { xattrs: Object.fromEntries(attributes) }),
    };
  });
  checkPlaces(entries, refuse);
  checkSizes(entries, chunks, limits, refuse);
  return { chunks, entries };
}

/** Attributes that are the files' own, and not of a kernel's module or of the file system below. */
export function isTravellingXattr(name: string): boolean {
  if (name === "security.capability") return true;
  return name.startsWith("user.") && !/^user\.(?:overlay|fuseoverlayfs)\./.test(name);
}

type Refuse = (why: string) => never;

/** Each below a directory that the list has before it: nothing is ever written through a link, or outside. */
function checkPlaces(entries: readonly Entry[], refuse: Refuse): void {
  const [root] = entries;
  if (root?.path !== "" || root.type !== "dir") refuse("the directory itself is not the first of its files");
  const directories = new Set<BytePath>([""]);
  const files = new Set<BytePath>();
  for (const [at, { path, type, size, link }] of entries.entries()) {
    const name = `"${displayPath(path)}"`;
    if (at > 0) {
      const before = entries[at - 1]?.path ?? "";
      if (path.split("/").some((part) => part === "" || part === "." || part === ".."))
        refuse(`${name} is no path in it`);
      if (comparePaths(before, path) >= 0) refuse(`${name} is listed twice, or not in its place`);
      if (!directories.has(parentOf(path))) refuse(`${name} is not in a directory of the list`);
    }
    if (type !== "file" && size !== 0) refuse(`${name} is no file and has a size`);
    if ((type === "symlink" || type === "hardlink") !== (link !== undefined))
      refuse(`${name} has a link where it has none`);
    if (type === "symlink" && link === "") refuse(`${name} leads nowhere`);
    if (type === "hardlink" && !files.has(link ?? ""))
      refuse(`${name} is a name of a file that does not come before it`);
    if (type === "dir") directories.add(path);
    if (type === "file") files.add(path);
  }
}

function checkSizes(entries: readonly Entry[], chunks: readonly Chunk[], limits: UnpackLimits, refuse: Refuse): void {
  const content = entries.reduce((sum, { size }) => sum + size, 0);
  const inChunks = chunks.reduce((sum, { size }) => sum + size, 0);
  if (content !== inChunks) refuse(`its files have ${content} bytes, its chunks ${inChunks}`);
  if (content > limits.maxBytes) refuse(`it unpacks to more than ${limits.maxBytes} bytes, the limit`);
  const blobs = new Map(chunks.map(({ blob }) => [blob.digest, blob.size]));
  const packed = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  if (content > Math.min(RATIO_FLOOR_BYTES, limits.maxBytes / 8) && content > packed * limits.maxRatio)
    refuse(`it unpacks to more than ${limits.maxRatio} times its size, the limit`);
}

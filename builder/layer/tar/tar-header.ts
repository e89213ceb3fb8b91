// The header of a member of an archive: its block, and what extended headers before it say.

import type { BuildError } from "../../core/errors.ts";
import type { PaxRecords } from "./pax.ts";
import type { ReadHeader } from "./tar-fields.ts";
import { cString, mergePax, number } from "./tar-fields.ts";
import type { TarType } from "./tar-format.ts";
import { invalidArchive } from "./tar-format.ts";

/** What came before the block. */
export interface HeaderExtensions {
  readonly pax: PaxRecords;
  /** GNU's long names. */
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

/** Reads v7, ustar, GNU and pax. Throws `ARCHIVE_INVALID`. */
export function readMemberHeader(block: Buffer, { pax, longName, longLink }: HeaderExtensions): ReadHeader {
  const typeflag = typeflagOf(block);
  const magic = block.toString("latin1", 257, 265);
  const isGnu = magic === "ustar  \0";
  const isUstar = !isGnu && magic.startsWith("ustar");
  const isDevice = typeflag === "3" || typeflag === "4";
  const prefix = isUstar ? cString(block, 345, 155) : "";
  const short = cString(block, 0, 100);
  const found: ReadHeader = {
    name: longName ?? (prefix === "" ? short : `${prefix}/${short}`),
    type: "file",
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtimeNs: BigInt(number(block, 136, 12)) * 1_000_000_000n,
    link: longLink ?? cString(block, 157, 100),
    major: isDevice ? number(block, 329, 8) : 0,
    minor: isDevice ? number(block, 337, 8) : 0,
  };
  if (pax.length > 0) mergePax(found, pax);
  found.type = typeOf(typeflag, found.name);
  if (found.uid < 0 || found.gid < 0 || found.size < 0)
    throw invalidArchive("a header holds a negative number", found.name);
  if (found.type !== "symlink" && found.type !== "hardlink") found.link = "";
  return found;
}

/** The letter that says what a member is. */
export function typeflagOf(block: Buffer): string {
  return block.toString("latin1", 156, 157);
}

function typeOf(typeflag: string, name: string): TarType {
  switch (typeflag) {
    case "0":
    case "\0": // v7
    case "7": // contiguous file
      return name.endsWith("/") ? "dir" : "file";
    case "S":
      return "file";
    case "1":
      return "hardlink";
    case "2":
      return "symlink";
    case "3":
      return "char";
    case "4":
      return "block";
    case "5":
      return "dir";
    case "6":
      return "fifo";
    case "M":
      throw invalidArchive("archives in several volumes cannot be read", name);
    default:
      throw unknownType(typeflag, name);
  }
}

/** The error for a member that cannot be read. */
export function unknownType(typeflag: string, name: string): BuildError {
  return invalidArchive(`its type ${JSON.stringify(typeflag)} is not known`, name);
}

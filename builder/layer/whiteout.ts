// Deletions in layers (image-spec, layer.md, Whiteouts): an empty file ".wh.<name>" hides
// <name> of the layers below; ".wh..wh..opq" hides all that they have in its directory.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { baseOf, displayPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Entry } from "./entry.ts";
import type { TarHeader } from "./tar/tar-format.ts";
import { invalidArchive } from "./tar/tar-format.ts";

/** What a name in a layer's tar means. "reserved" names (".wh..wh.plnk" and the like of AUFS) mean nothing and are left out. */
export type NameMeaning =
  | { readonly kind: "plain" }
  | { readonly kind: "whiteout"; readonly hides: BytePath }
  | { readonly kind: "opaque"; readonly directory: BytePath }
  | { readonly kind: "reserved" };

/** Reads the marker out of a clean path. Throws `ARCHIVE_INVALID` for markers that hide nothing sensible. */
export function meaningOf(path: BytePath): NameMeaning {
  if (!path.includes(PREFIX)) return PLAIN;
  const base = baseOf(path);
  const directory = parentOf(path);
  const marked = directory.split("/").find((part) => part.startsWith(PREFIX));
  if (marked !== undefined) {
    if (marked.startsWith(META_PREFIX)) return RESERVED;
    throw invalidArchive("it lies inside a whiteout", path);
  }
  if (!base.startsWith(PREFIX)) return PLAIN;
  if (base === OPAQUE) return { kind: "opaque", directory };
  if (base.startsWith(META_PREFIX)) return RESERVED;
  const name = base.slice(PREFIX.length);
  if (name === "" || name === "." || name === "..") throw invalidArchive("it is a whiteout of nothing", path);
  return { kind: "whiteout", hides: joinBytes(directory, name) };
}

/** An entry as a member of the layer's tar; whiteouts are empty files of mode 0 from 1970, as containerd writes them. */
export function headerOf(entry: Entry): TarHeader {
  switch (entry.type) {
    case "whiteout":
      return marker(joinBytes(parentOf(entry.path), PREFIX + baseOf(entry.path)));
    case "opaque":
      return marker(joinBytes(entry.path, OPAQUE));
    case "file":
    case "dir":
    case "symlink":
    case "hardlink":
    case "char":
    case "block":
    case "fifo":
      refuseMarkerName(entry.path);
      return {
        name: entry.path,
        type: entry.type,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.type === "file" ? entry.size : 0,
        mtimeNs: entry.mtimeNs,
        link: entry.link ?? "",
        major: entry.major ?? 0,
        minor: entry.minor ?? 0,
        ...(entry.xattrs === undefined ? {} : { xattrs: entry.xattrs }),
      };
  }
}

const PREFIX = ".wh.";
const META_PREFIX = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";
const PLAIN: NameMeaning = { kind: "plain" };
const RESERVED: NameMeaning = { kind: "reserved" };

function marker(name: BytePath): TarHeader {
  return { name, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n, link: "", major: 0, minor: 0 };
}

/** BuildKit writes such a file as it is, and the image then lacks another one. */
function refuseMarkerName(path: BytePath): void {
  if (!path.includes(PREFIX) || !path.split("/").some((part) => part.startsWith(PREFIX))) return;
  throw new BuildError(
    "UNSUPPORTED",
    `"/${displayPath(path)}" cannot be kept in an image: there, names that begin with ".wh." mean deletions`,
    {
      hint: "rename it, or leave it out (with .dockerignore or --exclude where it is copied)",
    },
  );
}

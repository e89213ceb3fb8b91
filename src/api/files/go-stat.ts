// Files as BuildKit's clients tell of them: their mode is Go's FileMode (io/fs), not that of stat(2).

import type { ClientFile } from "../../../builder/core/client-file.ts";
import type { Stat } from "../proto/packets.ts";

const MODE = {
  dir: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  fifo: 0x02000000,
  socket: 0x01000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  charDevice: 0x00200000,
  sticky: 0x00100000,
} as const;

const SPECIAL = [
  [MODE.setuid, 0o4000],
  [MODE.setgid, 0o2000],
  [MODE.sticky, 0o1000],
] as const;

/** What a client tells of a file. A socket is an empty file, as it is to BuildKit. */
export function fileOf({ path, mode, uid, gid, size, modTime, link, major, minor }: Stat): ClientFile {
  const type = typeOf(mode, link);
  const special = SPECIAL.reduce((bits, [go, unix]) => ((mode & go) === 0 ? bits : bits | unix), 0);
  return {
    path,
    type,
    mode: (mode & 0o777) | special,
    uid,
    gid,
    size: type === "file" && (mode & MODE.socket) === 0 ? size : 0,
    mtimeNs: modTime,
    ...(link === "" ? {} : { link }),
    ...(type === "char" || type === "block" ? { major, minor } : {}),
  };
}

function typeOf(mode: number, link: string): ClientFile["type"] {
  if ((mode & MODE.dir) !== 0) return "dir";
  if ((mode & MODE.symlink) !== 0) return "symlink";
  if ((mode & MODE.fifo) !== 0) return "fifo";
  if ((mode & MODE.device) !== 0) return (mode & MODE.charDevice) === 0 ? "block" : "char";
  return link === "" ? "file" : "hardlink";
}

/** A file as a client is told of it. */
export function statOf(file: ClientFile): Stat {
  const { path, uid, gid, size, mtimeNs, link = "", major = 0, minor = 0 } = file;
  return { path, mode: goMode(file), uid, gid, size, modTime: mtimeNs, link, major, minor };
}

const KINDS: Readonly<Record<ClientFile["type"], number>> = {
  file: 0,
  hardlink: 0,
  dir: MODE.dir,
  symlink: MODE.symlink,
  fifo: MODE.fifo,
  char: MODE.device | MODE.charDevice,
  block: MODE.device,
};

function goMode({ type, mode }: ClientFile): number {
  const special = SPECIAL.reduce((bits, [go, unix]) => ((mode & unix) === 0 ? bits : bits | go), 0);
  return (KINDS[type] | special | (mode & 0o777)) >>> 0;
}

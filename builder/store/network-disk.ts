// File systems that several machines write at once. Their locks hold between machines badly or not at all, and SQLite's
// shared memory not at all (sqlite.org/wal.html): two builds would destroy each other's records without noticing.

import { BuildError } from "../core/errors.ts";

/** By the type that statfs(2) says. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB"],
  [0xff534d42, "CIFS"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0xc36400, "Ceph"],
  [0xbd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
  [0x7461636f, "OCFS2"],
  [0x1161970, "GFS2"],
]);

/** Throws `STORE` for a store on such a file system. */
export function refuseNetwork(root: string, type: number): void {
  const name = NETWORK.get(type);
  if (name === undefined) return;
  throw new BuildError("STORE", `"${root}" is on ${name}: locks do not hold there, so it cannot be a store`, {
    hint: "point --root (or TSBUILD_ROOT) at a disk of this machine",
  });
}

// What a tmpfs of a step is mounted with, in the words of mount(8) and tmpfs(5).

import type { MountSpec } from "./executor.ts";

type Tmpfs = Extract<MountSpec, { kind: "tmpfs" }>;

/** All options, as mount(8) and the OCI runtimes take them. */
export function tmpfsOptions(mount: Tmpfs): string[] {
  const { noexec, readonly } = mount;
  return ["nosuid", ...(noexec === true ? ["noexec"] : []), ...(readonly === true ? ["ro"] : []), ...tmpfsData(mount)];
}

/** Those that are the file system's own; the others are flags of mount(2). */
export function tmpfsData({ sizeBytes, mode, uid, gid }: Tmpfs): string[] {
  return [
    ...(sizeBytes === undefined || sizeBytes === 0 ? [] : [`size=${sizeBytes}`]),
    ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
    ...(uid === undefined ? [] : [`uid=${uid}`]),
    ...(gid === undefined ? [] : [`gid=${gid}`]),
  ];
}

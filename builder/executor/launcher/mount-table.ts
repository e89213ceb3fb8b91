// What a step reads in /proc/mounts where nothing is mounted: what would be. Of a machine's own file systems it says nothing.

import type { MountSpec, StepSpec } from "../executor.ts";
import { distinctMounts } from "./step-plan.ts";

const QUIET = "nosuid,nodev,noexec,relatime";
const KILOBYTE = 1024;

/** The lines of proc_pid_mounts(5). */
export function mountTable(step: StepSpec): string {
  const shm = `shm /dev/shm tmpfs rw,${QUIET},size=${kilobytes(step.shmSizeBytes)}`;
  const own = distinctMounts(step.mounts);
  const lines = [
    "overlay / overlay rw,relatime",
    `proc /proc proc rw,${QUIET}`,
    "tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755",
    "devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666",
    ...(own.some(({ target }) => target === "/dev/shm") ? [] : [shm]),
    `mqueue /dev/mqueue mqueue rw,${QUIET}`,
    `sysfs /sys sysfs ro,${QUIET}`,
    `overlay /etc/resolv.conf overlay ro,${QUIET}`,
    `overlay /etc/hosts overlay ro,${QUIET}`,
    ...own.map(mountLine),
  ];
  return lines.map((line) => `${line} 0 0\n`).join("");
}

function mountLine(mount: MountSpec): string {
  const target = mount.target.replace(/[\s\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const rights = mount.readonly === true ? "ro" : "rw";
  if (mount.kind !== "tmpfs") return `overlay ${target} overlay ${rights},relatime`;
  const { noexec, sizeBytes, mode, uid, gid } = mount;
  const options = [
    rights,
    "nosuid",
    ...(noexec === true ? ["noexec"] : []),
    "relatime",
    ...(sizeBytes === undefined || sizeBytes === 0 ? [] : [`size=${kilobytes(sizeBytes)}`]),
    ...(mode === undefined || mode === 0o1777 ? [] : [`mode=${mode.toString(8)}`]),
    ...(uid === undefined || uid === 0 ? [] : [`uid=${uid}`]),
    ...(gid === undefined || gid === 0 ? [] : [`gid=${gid}`]),
  ];
  return `tmpfs ${target} tmpfs ${options.join(",")}`;
}

/** A tmpfs has whole pages. */
function kilobytes(bytes: number): string {
  return `${Math.ceil(bytes / 4096) * (4096 / KILOBYTE)}k`;
}

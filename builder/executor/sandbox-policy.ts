// What every step sees and may do, as data: BuildKit's defaults (containerd's oci.GenerateSpec
// with BuildKit's changes, executor/oci/spec*.go of August 2026). All drivers read it.

import { existsSync } from "node:fs";
import { BuildError } from "../core/errors.ts";

/** Bits of the capabilities (linux/capability.h), in the kernel's order. */
const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** Docker's default set, which BuildKit gives as bounding, permitted and effective; ambient and inheritable stay empty. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** All capabilities, which `--security=insecure` gives as far as the builder has them. */
export const ALL_CAPABILITIES: readonly Capability[] = CAPABILITIES;

/**
 * Docker's default set with some added and some dropped, by its rules (moby, daemon/pkg/oci/caps): "ALL" added is all but
 * what is dropped by name; "ALL" dropped leaves what is added by name. Names as people write them: with or without "CAP_",
 * in any case. Throws `USAGE` for one that is none.
 */
export function adjustedCapabilities(add: readonly string[], drop: readonly string[]): readonly Capability[] {
  const [added, dropped] = [add.map(capabilityNamed), drop.map(capabilityNamed)];
  if (added.length === 0 && dropped.length === 0) return DEFAULT_CAPABILITIES;
  if (added.includes("ALL")) return CAPABILITIES.filter((name) => !dropped.includes(name));
  const kept = dropped.includes("ALL") ? [] : DEFAULT_CAPABILITIES.filter((name) => !dropped.includes(name));
  return CAPABILITIES.filter((name) => kept.includes(name) || added.includes(name));
}

function capabilityNamed(text: string): Capability | "ALL" {
  const name = text.toUpperCase();
  if (name === "ALL") return name;
  const found = CAPABILITIES.find((capability) => capability === name || capability === `CAP_${name}`);
  if (found !== undefined) return found;
  throw new BuildError("USAGE", `"${text}" is not a capability`, { hint: "capabilities(7) lists them; ALL is all" });
}

/** Capabilities as the kernel's bit mask. */
export function capabilityMask(capabilities: readonly Capability[]): bigint {
  return capabilities.reduce((mask, name) => mask | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
}

/** The capabilities of a bit mask, in the kernel's order; unknown bits are left out. */
export function capabilitiesOf(mask: bigint): Capability[] {
  return CAPABILITIES.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
}

/** The size of /dev/shm where nobody says another. */
export const DEFAULT_SHM_BYTES = 64 << 20;

/** Hidden from a sandboxed step. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  "/proc/scsi",
];

/** Read-only for a sandboxed step. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

export interface Device {
  /** Name below /dev. */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
}

/** The device nodes of every step (OCI runtime-spec, config-linux.md, Default Devices). */
export const DEVICES: readonly Device[] = [
  { name: "null", major: 1, minor: 3 },
  { name: "zero", major: 1, minor: 5 },
  { name: "full", major: 1, minor: 7 },
  { name: "random", major: 1, minor: 8 },
  { name: "urandom", major: 1, minor: 9 },
  { name: "tty", major: 5, minor: 0 },
];

/** The links in /dev of every step, name and text; the last only where the kernel shows its memory, as with runc. */
export function deviceLinks(): readonly (readonly [string, string])[] {
  return existsSync("/proc/kcore") ? [...DEVICE_LINKS, ["dev/core", "/proc/kcore"]] : DEVICE_LINKS;
}

const DEVICE_LINKS: readonly (readonly [string, string])[] = [
  ["dev/fd", "/proc/self/fd"],
  ["dev/stdin", "/proc/self/fd/0"],
  ["dev/stdout", "/proc/self/fd/1"],
  ["dev/stderr", "/proc/self/fd/2"],
  ["dev/ptmx", "pts/ptmx"],
];

/** Devices of the machine that an insecure step sees where they exist (BuildKit, util/entitlements/security). */
export const INSECURE_DEVICES: readonly string[] = [
  "kmsg",
  "cuse",
  "fuse",
  "kvm",
  "net/tun",
  "loop-control",
  ...Array.from({ length: 8 }, (_, n) => `loop${n}`),
];

/** Numbers of the resource limits (asm-generic/resource.h; the same on x86 and arm). */
export const RESOURCE_LIMITS: ReadonlyMap<string, number> = new Map([
  ["cpu", 0],
  ["fsize", 1],
  ["data", 2],
  ["stack", 3],
  ["core", 4],
  ["rss", 5],
  ["nproc", 6],
  ["nofile", 7],
  ["memlock", 8],
  ["as", 9],
  ["locks", 10],
  ["sigpending", 11],
  ["msgqueue", 12],
  ["nice", 13],
  ["rtprio", 14],
  ["rttime", 15],
]);

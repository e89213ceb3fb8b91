// A step as the launcher's records: which mounts in which order, then the process.
// The order is BuildKit's: /proc, /dev and below, /sys, the two files in /etc, the step's own mounts.

import { lstatSync, mkdirSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { BuildError } from "../../core/errors.ts";
import type { MountSpec, OverlayStack, StepSpec, Ulimit } from "../executor.ts";
import type { HostFacts } from "../host-facts.ts";
import { groupsToSet, hasId } from "../host-facts.ts";
import { writeHostFiles } from "../host-files.ts";
import type { Capability } from "../sandbox-policy.ts";
import {
  ALL_CAPABILITIES,
  capabilityMask,
  DEFAULT_CAPABILITIES,
  deviceLinks,
  DEVICES,
  INSECURE_DEVICES,
  MASKED_PATHS,
  READONLY_PATHS,
  RESOURCE_LIMITS,
} from "../sandbox-policy.ts";
import { overlayOptions } from "../overlay-options.ts";
import { tmpfsData } from "../tmpfs-data.ts";
import { seccompProgram } from "../seccomp/program.ts";
import { ATTR, MOUNT_FLAG, MS, NAMESPACE, SpecWriter, STEP_FLAG } from "./spec.ts";

export interface PlanOptions {
  /** The step gets the launcher's stdin as its controlling terminal. */
  readonly terminal: boolean;
  /** Directories of the cgroups that the step joins. */
  readonly cgroups: readonly string[];
}

/** Writes what the step needs into its scratch directory and gives the spec's bytes. */
export function planStep(step: StepSpec, host: HostFacts, options: PlanOptions): Buffer {
  checkIds(step, host);
  const spec = new SpecWriter();
  const mounts = distinctMounts(step.mounts);
  const ownCgroups = host.cgroup === "v2";
  const none = step.network === "none";
  spec.flags(
    NAMESPACE.mount |
      NAMESPACE.pid |
      NAMESPACE.ipc |
      NAMESPACE.uts |
      (none ? NAMESPACE.network : 0) |
      (ownCgroups ? NAMESPACE.cgroup : 0),
    (none ? STEP_FLAG.loopback : 0) |
      (options.terminal ? STEP_FLAG.terminal : 0) |
      (typeof step.output === "function" ? STEP_FLAG.pipes : 0),
  );
  for (const cgroup of options.cgroups) spec.cgroup(cgroup);
  spec.hostname(step.hostname);
  addRoot(spec, step, mounts, host);
  spec.cwd(step.process.cwd);
  addSystemMounts(spec, step, host, none, new Set(mounts.map(({ target }) => target)));
  addOwnMounts(spec, step, mounts, host);
  if (step.process.security === "sandbox") {
    for (const path of MASKED_PATHS) spec.mask(path);
    for (const path of READONLY_PATHS) spec.readonly(path);
  }
  if (step.root.readonly) spec.rootReadonly();
  spec.cwd(step.process.cwd); // again: a mount may lie above it
  addProcess(spec, step, host);
  return spec.finish();
}

/** Ids that this user namespace lacks cannot be taken on. Throws `SANDBOX` that says which and why. */
export function checkIds(step: StepSpec, host: HostFacts): void {
  const { uid, gid } = step.process;
  const additionalGids = groupsToSet(step.process, host);
  const missing = hasId(host.uids, uid) ? [gid, ...additionalGids].find((id) => !hasId(host.gids, id)) : uid;
  if (missing === undefined && (host.setgroups || additionalGids.length === 0)) return;
  const what = missing === undefined ? "supplementary groups" : `id ${missing}`;
  throw new BuildError("SANDBOX", `the step asks for ${what}, which this user namespace does not have`, {
    hint: "give the user subordinate ids: as root, usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
  });
}

/** Later mounts on one target replace earlier ones in their place, as in BuildKit. */
export function distinctMounts(mounts: readonly MountSpec[]): MountSpec[] {
  const byTarget = new Map<string, MountSpec>();
  for (const mount of mounts) {
    const target = posix.normalize(mount.target).replace(/(?<=.)\/+$/, "");
    if (!target.startsWith("/") || target === "/") {
      throw new BuildError("SANDBOX", `cannot mount on "${mount.target}": a target is an absolute path below /`);
    }
    byTarget.set(target, { ...mount, target });
  }
  return [...byTarget.values()];
}

/** Mount points that a step may need and its image may lack: relative path, and whether it is a file. */
export function stubsOf(step: StepSpec, mounts: readonly MountSpec[]): (readonly [string, boolean])[] {
  const system: (readonly [string, boolean])[] = [
    ["etc/hosts", true],
    ["etc/resolv.conf", true],
  ];
  // These stay in the layer when the image lacks them; a root without upper has no layer.
  const kept = step.root.kind === "overlay" && step.root.stack.upper === undefined ? ["proc", "dev", "sys"] : [];
  const own = mounts.flatMap((mount) => {
    const kind = mountedKind(mount);
    return kind === undefined ? [] : [[mount.target.slice(1), kind === "file"] as const];
  });
  return [...kept.map((name) => [name, false] as const), ...system, ...own];
}

function addRoot(spec: SpecWriter, step: StepSpec, mounts: readonly MountSpec[], host: HostFacts): void {
  const mountPoint = join(step.scratch, "root");
  mkdirSync(mountPoint, { recursive: true });
  if (step.root.kind === "directory") {
    spec.rootBind(step.root.path, mountPoint);
    return;
  }
  const { stack } = step.root;
  const stub = join(step.scratch, "stub");
  mkdirSync(stub, { recursive: true, mode: 0o755 });
  for (const [path, isFile] of stubsOf(step, mounts)) spec.stub(stub, path, isFile);
  spec.rootOverlay({ ...stack, lowers: [...stack.lowers, stub] }, overlayOptions(stack, host), mountPoint);
}

/**
 * What a mount puts on its target, where that is sure without following links of strangers; else undefined, and the launcher
 * makes the mount point in the root itself and takes it away afterwards.
 */
export function mountedKind(mount: MountSpec): "file" | "directory" | undefined {
  switch (mount.kind) {
    case "tmpfs":
      return "directory";
    case "bind":
      return statSync(mount.source, { throwIfNoEntry: false })?.isDirectory() === false ? "file" : "directory";
    case "overlay":
      return kindInStack(mount.stack, mount.subPath);
  }
}

function kindInStack(stack: OverlayStack, subPath: string): "file" | "directory" | undefined {
  let found: "file" | "directory" | undefined = "directory";
  let path = "";
  for (const part of subPath.split("/").filter((name) => name !== "" && name !== ".")) {
    if (part === ".." || found !== "directory") return undefined;
    path = join(path, part);
    const directories = stack.upper === undefined ? stack.lowers : [stack.upper, ...stack.lowers];
    const entry = directories
      .map((directory) => lstatSync(join(directory, path), { throwIfNoEntry: false }))
      .find((stat) => stat !== undefined);
    found = entry?.isDirectory() === true ? "directory" : entry?.isFile() === true ? "file" : undefined;
  }
  return found;
}

/** `replaced`: targets of the step's own mounts. One on shared memory takes its place, it does not lie on top (containerd). */
function addSystemMounts(
  spec: SpecWriter,
  step: StepSpec,
  host: HostFacts,
  ownNetwork: boolean,
  replaced: ReadonlySet<string>,
): void {
  const quiet = MS.nosuid | MS.nodev | MS.noexec;
  const quietAttributes = ATTR.nosuid | ATTR.nodev | ATTR.noexec;
  const insecure = step.process.security === "insecure";
  // A masked /proc around us (a pod) forbids a fresh one; then the outer one is shown.
  spec.fs("proc", "proc", "/proc", quiet, "", MOUNT_FLAG.optional | MOUNT_FLAG.keep);
  spec.bind("/proc", "/proc", 0, MOUNT_FLAG.otherwise | MOUNT_FLAG.keep);
  spec.fs("tmpfs", "tmpfs", "/dev", MS.nosuid | MS.strictatime, "mode=755,size=65536k", MOUNT_FLAG.keep);
  for (const { name, major, minor } of DEVICES) spec.device(name, major, minor);
  for (const [path, text] of deviceLinks()) spec.symlink(text, path);
  const ttyGroup = hasId(host.gids, 5) ? ",gid=5" : "";
  spec.fs(
    "devpts",
    "devpts",
    "/dev/pts",
    MS.nosuid | MS.noexec,
    `newinstance,ptmxmode=0666,mode=0620${ttyGroup}`,
    MOUNT_FLAG.keep,
  );
  if (!replaced.has("/dev/shm"))
    spec.fs("tmpfs", "shm", "/dev/shm", quiet, `mode=1777,size=${step.shmSizeBytes}`, MOUNT_FLAG.keep);
  spec.fs("mqueue", "mqueue", "/dev/mqueue", quiet, "", MOUNT_FLAG.keep | MOUNT_FLAG.optional);
  if (insecure) for (const name of INSECURE_DEVICES) spec.bind(`/dev/${name}`, `/dev/${name}`, 0, MOUNT_FLAG.optional);
  // sysfs belongs to the network namespace: where that is not ours, the outer one is shown.
  if (host.inUserNamespace && !ownNetwork) {
    spec.bind("/sys", "/sys", insecure ? 0 : quietAttributes | ATTR.rdonly, MOUNT_FLAG.keep);
  } else {
    spec.fs("sysfs", "sysfs", "/sys", quiet | (insecure ? 0 : MS.rdonly), "", MOUNT_FLAG.keep | MOUNT_FLAG.optional);
    spec.bind("/sys", "/sys", insecure ? 0 : quietAttributes | ATTR.rdonly, MOUNT_FLAG.otherwise | MOUNT_FLAG.keep);
  }
  if (host.cgroup === "v2") {
    spec.fs("cgroup2", "cgroup", "/sys/fs/cgroup", quiet | (insecure ? 0 : MS.rdonly), "", MOUNT_FLAG.optional);
  } else if (host.cgroup === "v1" && !host.inUserNamespace) {
    spec.bind("/sys/fs/cgroup", "/sys/fs/cgroup", quietAttributes | (insecure ? 0 : ATTR.rdonly), MOUNT_FLAG.optional);
  }
  const files = writeHostFiles(step);
  spec.bind(files.resolvConf, "/etc/resolv.conf", quietAttributes | ATTR.rdonly);
  spec.bind(files.hosts, "/etc/hosts", quietAttributes | ATTR.rdonly);
}

function addOwnMounts(spec: SpecWriter, step: StepSpec, mounts: readonly MountSpec[], host: HostFacts): void {
  for (const mount of mounts) {
    const attributes = mount.readonly === true ? ATTR.rdonly : 0;
    switch (mount.kind) {
      case "bind":
        spec.bind(mount.source, mount.target, attributes);
        break;
      case "tmpfs":
        spec.fs("tmpfs", "tmpfs", mount.target, tmpfsFlags(mount), tmpfsData(mount).join(","));
        break;
      case "overlay": {
        const staging = join(step.scratch, "staging");
        mkdirSync(staging, { recursive: true });
        spec.overlay(
          viewStack(mount.stack, step.scratch),
          overlayOptions(mount.stack, host),
          staging,
          mount.subPath.replace(/^\/+/, ""),
          mount.target,
          attributes,
        );
        break;
      }
    }
  }
}

/** An overlay without upper needs two lowers; an empty one makes up the number. */
export function viewStack(stack: OverlayStack, scratch: string): OverlayStack {
  if (stack.upper !== undefined || stack.lowers.length > 1) return stack;
  const empty = join(scratch, "empty");
  mkdirSync(empty, { recursive: true });
  return { lowers: [...stack.lowers, empty] };
}

function tmpfsFlags({ noexec, readonly }: Extract<MountSpec, { kind: "tmpfs" }>): number {
  return MS.nosuid | (noexec === true ? MS.noexec : 0) | (readonly === true ? MS.rdonly : 0);
}

function addProcess(spec: SpecWriter, step: StepSpec, host: HostFacts): void {
  const { process } = step;
  const capabilities = process.capabilities ?? DEFAULT_CAPABILITIES;
  addCredentials(spec, step, host, process.security === "insecure" ? "all" : capabilities);
  if (process.security === "sandbox") spec.seccomp(seccompProgram(capabilities));
  spec.env(process.env);
  spec.args(process.args);
}

/** Limits, ids and capabilities; "all" are also ambient, as far as the builder has them. */
export function addCredentials(
  spec: SpecWriter,
  { process }: StepSpec,
  host: HostFacts,
  capabilities: readonly Capability[] | "all",
): void {
  for (const ulimit of process.ulimits) addUlimit(spec, ulimit);
  spec.user(process.uid, process.gid, groupsToSet(process, host));
  if (capabilities === "all") spec.caps(capabilityMask(ALL_CAPABILITIES), true);
  else spec.caps(capabilityMask(capabilities), false);
}

function addUlimit(spec: SpecWriter, ulimit: Ulimit): void {
  const resource = RESOURCE_LIMITS.get(ulimit.name);
  if (resource === undefined) throw new BuildError("USAGE", `"${ulimit.name}" is not a ulimit`);
  spec.rlimit(ulimit.name, resource, limitValue(ulimit.soft), limitValue(ulimit.hard));
}

/** RLIM_INFINITY for -1. */
function limitValue(value: number): bigint {
  return value < 0 ? 0xffff_ffff_ffff_ffffn : BigInt(value);
}

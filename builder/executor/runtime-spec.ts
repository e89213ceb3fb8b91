// A step in the words of the OCI runtime-spec 1.0: the config.json for crun and runc. Both check
// the targets of mounts against links in the root themselves.

import type { MountSpec, StepSpec } from "./executor.ts";
import type { HostFacts } from "./host-facts.ts";
import { groupsToSet, hasId } from "./host-facts.ts";
import type { HostFiles } from "./host-files.ts";
import type { Capability } from "./sandbox-policy.ts";
import {
  capabilitiesOf,
  DEFAULT_CAPABILITIES,
  INSECURE_DEVICES,
  MASKED_PATHS,
  READONLY_PATHS,
  RESOURCE_LIMITS,
} from "./sandbox-policy.ts";
import { runtimeSeccomp } from "./seccomp/runtime.ts";
import { tmpfsOptions } from "./tmpfs-data.ts";
import { BuildError } from "../core/errors.ts";

/** A mount of config.json. */
export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface RuntimeSpecInput {
  readonly step: StepSpec;
  readonly host: HostFacts;
  readonly files: HostFiles;
  /** Where the root is mounted. */
  readonly rootPath: string;
  /** The step's own mounts, stacks already mounted somewhere and given as binds. */
  readonly mounts: readonly Exclude<MountSpec, { kind: "overlay" }>[];
  /** The process gets a terminal of this size, which the runtime makes. */
  readonly terminal: { readonly columns: number; readonly rows: number } | undefined;
  /** What the builder itself has: more cannot be given. */
  readonly permitted: bigint;
  /** Devices of the machine that exist, below /dev. */
  readonly existingDevices: readonly string[];
}

/** The config.json of a step. */
export function runtimeSpec(input: RuntimeSpecInput): object {
  const { step, host, rootPath, permitted } = input;
  const { process } = step;
  const insecure = process.security === "insecure";
  const available = capabilitiesOf(permitted);
  const capabilities: readonly Capability[] = insecure
    ? available
    : (process.capabilities ?? DEFAULT_CAPABILITIES).filter((name) => available.includes(name));
  const kept = insecure ? capabilities : [];
  return {
    ociVersion: "1.0.2",
    root: { path: rootPath, readonly: step.root.readonly },
    hostname: step.hostname,
    process: {
      terminal: input.terminal !== undefined,
      ...(input.terminal === undefined
        ? {}
        : { consoleSize: { width: input.terminal.columns, height: input.terminal.rows } }),
      user: { uid: process.uid, gid: process.gid, umask: 0o022, additionalGids: groupsToSet(process, host) },
      args: process.args,
      env: process.env,
      cwd: process.cwd,
      noNewPrivileges: false,
      capabilities: {
        bounding: capabilities,
        permitted: capabilities,
        effective: capabilities,
        inheritable: kept,
        ambient: kept,
      },
      rlimits: process.ulimits.map(({ name, soft, hard }) => {
        if (!RESOURCE_LIMITS.has(name)) throw new BuildError("USAGE", `"${name}" is not a ulimit`);
        return { type: `RLIMIT_${name.toUpperCase()}`, soft: limit(soft), hard: limit(hard) };
      }),
    },
    mounts: [...systemMounts(input, insecure), ...input.mounts.map(ownMount)],
    linux: {
      namespaces: [
        "pid",
        "ipc",
        "uts",
        "mount",
        ...(step.network === "none" ? ["network"] : []),
        ...(host.cgroup === "v2" ? ["cgroup"] : []),
      ].map((type) => ({ type })),
      maskedPaths: insecure ? [] : MASKED_PATHS,
      readonlyPaths: insecure ? [] : READONLY_PATHS,
      ...(insecure ? {} : { seccomp: runtimeSeccomp(process.capabilities ?? DEFAULT_CAPABILITIES) }),
    },
  };
}

function systemMounts(input: RuntimeSpecInput, insecure: boolean): RuntimeMount[] {
  const { step, host, files } = input;
  const quiet = ["nosuid", "noexec", "nodev"];
  const readonly = insecure ? [] : ["ro"];
  const ownNetwork = step.network === "none";
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        ...(hasId(host.gids, 5) ? ["gid=5"] : []),
      ],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...quiet, "mode=1777", `size=${step.shmSizeBytes}`],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    host.inUserNamespace && !ownNetwork
      ? { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...quiet, ...readonly] }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, ...readonly] },
    { destination: "/etc/resolv.conf", type: "bind", source: files.resolvConf, options: [...quiet, "rbind", "ro"] },
    { destination: "/etc/hosts", type: "bind", source: files.hosts, options: [...quiet, "rbind", "ro"] },
    ...(insecure ? input.existingDevices.filter((name) => INSECURE_DEVICES.includes(name)) : []).map((name) => ({
      destination: `/dev/${name}`,
      type: "bind",
      source: `/dev/${name}`,
      options: ["bind"],
    })),
  ];
}

function ownMount(mount: Exclude<MountSpec, { kind: "overlay" }>): RuntimeMount {
  const readonly = mount.readonly === true ? ["ro"] : [];
  if (mount.kind === "bind")
    return { destination: mount.target, type: "bind", source: mount.source, options: ["rbind", ...readonly] };
  return { destination: mount.target, type: "tmpfs", source: "tmpfs", options: tmpfsOptions(mount) };
}

/** JSON has no 64-bit infinity that both runtimes read; the largest exact integer means as much. */
function limit(value: number): number {
  return value < 0 ? Number.MAX_SAFE_INTEGER : value;
}

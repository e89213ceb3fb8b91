// The last resort, from util-linux alone: unshare(1), mount(8), setpriv(1). It gives namespaces, an
// own root and Docker's bounding set, but no seccomp filter, and the root is entered with chroot.

import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BuildError } from "../../core/errors.ts";
import type { DriverProbe, Executor, MountSpec, RootSpec, StepSpec } from "../executor.ts";
import { refuseCgroupParent } from "../cgroup.ts";
import type { HostFacts } from "../host-facts.ts";
import { hasId, readHostFacts } from "../host-facts.ts";
import { writeHostFiles } from "../host-files.ts";
import {
  capabilitiesOf,
  DEFAULT_CAPABILITIES,
  deviceLinks,
  DEVICES,
  INSECURE_DEVICES,
  MASKED_PATHS,
  READONLY_PATHS,
  RESOURCE_LIMITS,
} from "../sandbox-policy.ts";
import { throwIfAborted } from "../launcher/step-result.ts";
import { ownCapabilities } from "../own-capabilities.ts";
import { tmpfsOptions } from "../tmpfs-data.ts";
import type { Prelude, PreludeStep } from "./prelude.ts";
import { planPrelude, preludeCommand, runCommand, tool } from "./prelude.ts";
import { probeByRunning } from "./probe-step.ts";

/** What it lacks; said whenever this driver is taken. */
const UNSHARE_NOTES: readonly string[] = [
  "NO SECCOMP: steps may use every system call that the kernel allows them",
  "the root is entered with chroot: a step that runs as root can leave it",
  "mounts whose target or source goes through a link are refused",
  "/dev/stdout cannot be opened again",
];

/** Whether util-linux runs a step here. Never throws. */
export async function probeUnshare(): Promise<DriverProbe> {
  return await probeByRunning(
    "unshare",
    unshareExecutor,
    ["prlimit", "env"],
    "apt-get install util-linux mount",
    UNSHARE_NOTES,
  );
}

/** The executor over util-linux. */
export function unshareExecutor(notes: readonly string[] = UNSHARE_NOTES): Executor {
  const host = readHostFacts();
  return {
    driver: "unshare",
    notes,
    async run(step, signal) {
      throwIfAborted(signal);
      refuseCgroupParent(step, "unshare");
      const plan = planPrelude(step, host);
      if (step.root.kind === "directory") makeMountPoints(step.root.path, plan.mounts);
      const steps = [...plan.prelude, ...systemSteps(step, host, plan), ...ownSteps(step, plan)];
      const namespaces = ["--ipc", "--uts", ...(step.network === "none" ? ["--net"] : [])];
      try {
        return await runCommand(
          preludeCommand(steps, processCommand(step, plan.rootPath), namespaces),
          step,
          1,
          signal,
        );
      } finally {
        await plan.tidy();
      }
    },
  };
}

/** env sets the environment, prlimit the limits, setpriv groups and bounding set; unshare enters the root and the working directory and becomes the user. */
function processCommand(step: StepSpec, rootPath: string): string[] {
  const { process } = step;
  const available = capabilitiesOf(ownCapabilities().permitted);
  const kept =
    process.security === "insecure"
      ? available
      : (process.capabilities ?? DEFAULT_CAPABILITIES).filter((name) => available.includes(name));
  const bounding = ["-all", ...kept.map((name) => `+${name.slice("CAP_".length).toLowerCase()}`)].join(",");
  const limits = process.ulimits.map(({ name, soft, hard }) => {
    if (!RESOURCE_LIMITS.has(name)) throw new BuildError("USAGE", `"${name}" is not a ulimit`);
    return `--${name}=${limit(soft)}:${limit(hard)}`;
  });
  const groups =
    process.additionalGids.length === 0 ? ["--clear-groups"] : ["--groups", process.additionalGids.join(",")];
  return [
    ...setup(step),
    ...[tool("env"), "-i", ...process.env],
    ...(limits.length === 0 ? [] : [tool("prlimit"), ...limits]),
    ...[
      tool("setpriv"),
      "--regid",
      String(process.gid),
      ...groups,
      "--bounding-set",
      bounding,
      "--inh-caps=-all",
      "--",
    ],
    ...[
      tool("unshare"),
      `--root=${rootPath}`,
      `--wd=${process.cwd}`,
      ...(process.uid === 0 ? [] : ["--setuid", String(process.uid)]),
      "--",
    ],
    ...process.args,
  ];
}

/** Host name and loopback, set by a script whose only inputs are its arguments. */
function setup(step: StepSpec): string[] {
  const loopback = step.network === "none" ? "{ ip link set lo up || ifconfig lo up; } >/dev/null 2>&1 || :; " : "";
  return ["/bin/sh", "-c", `hostname "$1" 2>/dev/null || :; ${loopback}shift; exec "$@"`, "sh", step.hostname];
}

function limit(value: number): string {
  return value < 0 ? "unlimited" : String(value);
}

function systemSteps(step: StepSpec, host: HostFacts, plan: Prelude): PreludeStep[] {
  const at = (path: string): string => join(plan.rootPath, path);
  for (const name of ["proc", "dev", "sys", "etc"]) checkTarget(step.root, `/${name}`);
  const insecure = step.process.security === "insecure";
  const quiet = "nosuid,nodev,noexec";
  const ttyGroup = hasId(host.gids, 5) ? ",gid=5" : "";
  const files = writeHostFiles(step);
  const mount = (type: string, options: string, source: string, path: string): PreludeStep => ({
    kind: "mount",
    type,
    options,
    source,
    target: at(path),
  });
  const device = (name: string): PreludeStep[] => [
    { kind: "file", path: at(`dev/${name}`) },
    mount("none", "bind", `/dev/${name}`, `dev/${name}`),
  ];
  return [
    ...(["proc", "dev", "sys"] as const).map((name): PreludeStep => ({ kind: "directory", path: at(name) })),
    mount("proc", quiet, "proc", "proc"),
    mount("tmpfs", "nosuid,strictatime,mode=755,size=65536k", "tmpfs", "dev"),
    ...DEVICES.flatMap(({ name }) => device(name)),
    ...(insecure
      ? INSECURE_DEVICES.filter((name) => !name.includes("/") && existsSync(`/dev/${name}`)).flatMap((name) =>
          device(name),
        )
      : []),
    ...deviceLinks().map(([path, text]): PreludeStep => ({ kind: "link", text, path: at(path) })),
    ...(["dev/pts", "dev/shm", "dev/mqueue"] as const).map((path): PreludeStep => ({
      kind: "directory",
      path: at(path),
    })),
    mount("devpts", `nosuid,noexec,newinstance,ptmxmode=0666,mode=0620${ttyGroup}`, "devpts", "dev/pts"),
    mount("tmpfs", `${quiet},mode=1777,size=${step.shmSizeBytes}`, "shm", "dev/shm"),
    mount("mqueue", quiet, "mqueue", "dev/mqueue"),
    host.inUserNamespace && step.network !== "none"
      ? mount("none", "rbind", "/sys", "sys")
      : mount("sysfs", insecure ? quiet : `${quiet},ro`, "sysfs", "sys"),
    ...(host.inUserNamespace && step.network !== "none" && !insecure
      ? [mount("none", "remount,bind,ro", "none", "sys")]
      : []),
    ...fileBind(step, files.resolvConf, "/etc/resolv.conf", at),
    ...fileBind(step, files.hosts, "/etc/hosts", at),
  ];
}

/** One of the two files in /etc; where the image has a link there, its own file stays. */
function fileBind(step: StepSpec, source: string, target: string, at: (path: string) => string): PreludeStep[] {
  if (kindInRoot(step.root, target) === "link") return [];
  return [
    { kind: "mount", type: "none", options: "bind", source, target: at(target) },
    { kind: "mount", type: "none", options: "remount,bind,ro", source: "none", target: at(target) },
  ];
}

function ownSteps(step: StepSpec, plan: Prelude): PreludeStep[] {
  const steps: PreludeStep[] = [];
  for (const mount of plan.mounts) {
    checkTarget(step.root, mount.target);
    const target = join(plan.rootPath, mount.target);
    if (mount.kind === "tmpfs") {
      steps.push({ kind: "mount", type: "tmpfs", options: tmpfsOptions(mount).join(","), source: "tmpfs", target });
    } else {
      steps.push({ kind: "mount", type: "none", options: "rbind", source: mount.source, target });
      if (mount.readonly)
        steps.push({ kind: "mount", type: "none", options: "remount,bind,ro", source: "none", target });
    }
  }
  const paths =
    step.process.security === "insecure"
      ? []
      : [...MASKED_PATHS.map((path) => [path, true] as const), ...READONLY_PATHS.map((path) => [path, false] as const)];
  for (const [path, hidden] of paths) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const target = join(plan.rootPath, path);
    if (hidden && stat.isDirectory())
      steps.push({ kind: "mount", type: "tmpfs", options: "ro,size=0k", source: "tmpfs", target });
    else if (hidden) steps.push({ kind: "mount", type: "none", options: "bind", source: "/dev/null", target });
    else {
      steps.push({ kind: "mount", type: "none", options: "bind", source: target, target });
      steps.push({ kind: "mount", type: "none", options: "remount,bind,ro", source: "none", target });
    }
  }
  if (step.root.readonly)
    steps.push({ kind: "mount", type: "none", options: "remount,bind,ro", source: "none", target: plan.rootPath });
  return steps;
}

/** mount(8) follows links out of the root, so a target may not go through one. */
function checkTarget(root: RootSpec, target: string): void {
  if (kindInRoot(root, target) !== "link") return;
  throw new BuildError(
    "SANDBOX",
    `cannot mount on "${target}": it is a link or lies below one, which only tsbuild's own launcher, crun and runc follow safely`,
  );
}

/** What a path of the root is, each part looked up in the topmost directory that has it. */
function kindInRoot(root: RootSpec, target: string): "link" | "plain" {
  const directories =
    root.kind === "directory"
      ? [root.path]
      : [...(root.stack.upper === undefined ? [] : [root.stack.upper]), ...root.stack.lowers];
  let path = "";
  for (const part of target.split("/").filter((name) => name !== "")) {
    path = join(path, part);
    const stat = directories
      .map((directory) => lstatSync(join(directory, path), { throwIfNoEntry: false }))
      .find((entry) => entry !== undefined);
    if (stat?.isSymbolicLink() === true) return "link";
    if (stat?.isDirectory() !== true) return "plain";
  }
  return "plain";
}

/** A plain directory gets its mount points from here; the prelude's `tidy` takes them away. */
function makeMountPoints(root: string, mounts: Prelude["mounts"]): void {
  const files = ["/etc/hosts", "/etc/resolv.conf"];
  const spec: RootSpec = { kind: "directory", path: root, readonly: false };
  const make = (target: string, isFile: boolean): void => {
    if (kindInRoot(spec, target) === "link") return;
    const path = join(root, target);
    mkdirSync(isFile ? dirname(path) : path, { recursive: true });
    if (isFile && lstatSync(path, { throwIfNoEntry: false }) === undefined) writeFileSync(path, "");
  };
  for (const file of files) make(file, true);
  for (const mount of mounts) make(mount.target, isFileMount(mount));
}

function isFileMount(mount: Exclude<MountSpec, { kind: "overlay" }>): boolean {
  return mount.kind === "bind" && lstatSync(mount.source, { throwIfNoEntry: false })?.isDirectory() === false;
}

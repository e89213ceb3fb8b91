// A container as Kubernetes makes one of a pod, by runc: with a container's ordinary capabilities and Docker's filter of
// system calls ("default"), with CAP_SYS_ADMIN in a user namespace of its own beside them ("namespaces"), or as an ordinary
// user with nothing at all ("restricted"). Its files are this machine's own or those of an image, read-only; what it may
// write is an empty folder.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { lstatSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability } from "../../builder/executor/sandbox-policy.ts";
import { DEFAULT_CAPABILITIES } from "../../builder/executor/sandbox-policy.ts";
import { runtimeSeccomp } from "../../builder/executor/seccomp/runtime.ts";
import { COMPILE_CACHE } from "./compile-cache.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]; // prettier-ignore
const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const ORDINARY_UID = 1000;
/** What is root in a pod with a user namespace. */
const MAPPED_ROOT = 200_000;
const IDS = 65_536;

export type PodLevel = "namespaces" | "default" | "restricted";

export interface PodEnded {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A container that runs. */
export interface PodRun {
  readonly ended: Promise<PodEnded>;
  /** What it has said on standard error so far. */
  stderr(): string;
  /** Sends its first process a signal. */
  kill(signal: NodeJS.Signals): void;
}

/** Why there can be no pods here; false when there can. */
export function whyNoPod(): string | false {
  if (process.getuid?.() !== 0) return "pods are made by root";
  return spawnSync("runc", ["--version"], { stdio: "ignore" }).status === 0 ? false : "needs runc (Debian: runc)";
}

/** A pod's folder: what its processes write stays until it is closed. */
export class Pod implements Disposable {
  /** /pod in the pod. */
  readonly work: string;
  /** /dev/termination-log in the pod, as Kubernetes puts it there. */
  readonly terminationLog: string;
  readonly #folder: string;
  readonly #level: PodLevel;
  readonly #rootfs: string | undefined;
  readonly #allowed: readonly string[];
  #runs = 0;

  /** `rootfs` holds an image's files; without it they are this machine's. `allowed`: system calls beyond Docker's filter. */
  constructor(level: PodLevel, rootfs?: string, allowed: readonly string[] = []) {
    this.#level = level;
    this.#allowed = allowed;
    this.#rootfs = rootfs;
    this.#folder = mkdtempSync(join(tmpdir(), "tsbuild-pod-"));
    this.work = join(this.#folder, "work");
    mkdirSync(this.work, { mode: 0o777 });
    spawnSync("chmod", ["755", this.#folder]);
    spawnSync("chmod", ["777", this.work]);
    this.terminationLog = join(this.#folder, "termination-log");
    writeFileSync(this.terminationLog, "");
    spawnSync("chmod", ["666", this.terminationLog]);
    this.share();
  }

  /** Gives the pod's user all that lies in /pod. */
  share(): void {
    spawnSync("chmod", ["-R", "a+rwX", this.work]);
    if (this.#level === "namespaces") spawnSync("chown", ["-R", `${MAPPED_ROOT}:${MAPPED_ROOT}`, this.work]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs the program under test with these words. */
  async tsbuild(...args: readonly string[]): Promise<PodEnded> {
    return await this.run(process.execPath, join(REPOSITORY, "bin/tsbuild.js"), ...args);
  }

  /** Runs a command in a new container of the pod. */
  async run(...args: readonly string[]): Promise<PodEnded> {
    return await this.start(...args).ended;
  }

  /** Starts one; it has ended before the pod is closed. */
  start(...args: readonly string[]): PodRun {
    const id = `tsbuild-pod-${process.pid}-${this.#runs++}`;
    const bundle = join(this.#folder, id);
    const rootfs = this.#rootfs ?? join(bundle, "rootfs");
    mkdirSync(this.#rootfs === undefined ? rootfs : bundle, { recursive: true });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(this.#config(args, rootfs)));
    const child = spawn("runc", ["run", "--no-new-keyring", "-b", bundle, id], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<PodEnded>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => resolve({ code: status ?? -1, stdout, stderr }));
    });
    const kill = (signal: NodeJS.Signals): void => void spawnSync("runc", ["kill", id, signal]);
    return { ended, stderr: () => stderr, kill };
  }

  #config(args: readonly string[], rootfs: string): object {
    const isRestricted = this.#level === "restricted";
    const hasNamespace = this.#level === "namespaces";
    const capabilities: readonly Capability[] = isRestricted
      ? []
      : hasNamespace
        ? [...DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN"]
        : DEFAULT_CAPABILITIES;
    const map = [{ containerID: 0, hostID: MAPPED_ROOT, size: IDS }];
    const uid = isRestricted ? ORDINARY_UID : 0;
    for (const name of ["proc", "dev", "sys", "tmp", "pod"]) mkdirSync(join(rootfs, name), { recursive: true });
    // What is a link on this machine is one in the pod: /bin, /lib.
    const own = this.#rootfs === undefined ? ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", REPOSITORY] : [];
    const shown = own.filter((path) => existsSync(path));
    const mounts = shown.flatMap((path) => {
      if (!lstatSync(path).isSymbolicLink()) {
        mkdirSync(join(rootfs, path), { recursive: true });
        return [bind(path, path, ["ro"])];
      }
      spawnSync("ln", ["-sfn", readlinkSync(path), join(rootfs, path)]);
      return [];
    });
    return {
      ociVersion: "1.0.2",
      process: {
        user: { uid, gid: uid },
        args,
        env: [
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "HOME=/pod",
          "TMPDIR=/pod",
          // Node has a folder for each user there, and root's is filled.
          ...Object.entries(uid === 0 && this.#rootfs === undefined ? COMPILE_CACHE : {}).map((one) => one.join("=")),
        ],
        cwd: "/pod",
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
        noNewPrivileges: isRestricted,
      },
      root: { path: rootfs, readonly: true },
      hostname: "pod",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777"] },
        // The network is the machine's, so in another user namespace its sysfs is, too.
        hasNamespace
          ? bind("/sys", "/sys", ["ro"])
          : { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
        { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] },
        ...mounts,
        bind(this.work, "/pod", []),
        bind(this.terminationLog, "/dev/termination-log", []),
      ],
      linux: {
        namespaces: ["mount", "pid", "ipc", "uts", ...(hasNamespace ? ["user"] : [])].map((type) => ({ type })),
        ...(hasNamespace ? { uidMappings: map, gidMappings: map } : {}),
        maskedPaths: MASKED,
        readonlyPaths: READONLY,
        seccomp: filter(capabilities, this.#allowed),
      },
    };
  }
}

function filter(capabilities: readonly Capability[], allowed: readonly string[]): object {
  const docker = runtimeSeccomp(capabilities);
  if (allowed.length === 0) return docker;
  return { ...docker, syscalls: [...docker.syscalls, { names: allowed, action: "SCMP_ACT_ALLOW" }] };
}

function bind(source: string, destination: string, options: readonly string[]): object {
  return { destination, type: "bind", source, options: ["rbind", ...options] };
}

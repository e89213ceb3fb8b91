// What a sandbox driver takes and gives: mounts and a process, in the words of the
// OCI runtime-spec, and an exit status. It knows no image, no layer, no Dockerfile.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Capability } from "./sandbox-policy.ts";

/** A stack of directories in overlay form (whiteouts are 0:0 character devices), topmost first. */
export interface OverlayStack {
  readonly lowers: readonly string[];
  /** Where changes go; absent for a read-only view. Its file system must be able to be an upper. */
  readonly upper?: string;
  /** Empty directory on the upper's file system. Needed with `upper`. */
  readonly work?: string;
}

/** How the root of the process comes to be: a plain directory, or an overlay mounted by the driver. */
export type RootSpec =
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly readonly: boolean;
      /** Where it stands for an overlay: its directories that this would have merged of several layers, relative paths. */
      readonly merged?: () => readonly BytePath[];
    }
  | { readonly kind: "overlay"; readonly stack: OverlayStack; readonly readonly: boolean };

/** One mount below the root. Targets are absolute paths in the rootfs; they are created where missing (see `stubs`). */
export type MountSpec =
  | {
      readonly kind: "bind";
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      /** The source was made for this step and goes with it: what is written there is lost anyhow. */
      readonly isStepsOwn?: boolean;
    }
  | {
      readonly kind: "overlay";
      readonly stack: OverlayStack;
      /** Directory or file of the stack that is mounted, "" for its root; links are resolved inside the stack. */
      readonly subPath: string;
      readonly target: string;
      readonly readonly: boolean;
    }
  | {
      readonly kind: "tmpfs";
      readonly target: string;
      readonly sizeBytes?: number;
      readonly mode?: number;
      /** Owner of its root; 0:0 if not said. */
      readonly uid?: number;
      readonly gid?: number;
      readonly noexec?: boolean;
      readonly readonly?: boolean;
    };

export interface Ulimit {
  /** "nofile", as docker names it. */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** The process of a step. */
export interface ProcessSpec {
  readonly args: readonly string[];
  /** `K=V`, complete: nothing is inherited. */
  readonly env: readonly string[];
  /** Absolute path. The launcher makes it where it is missing (0755, owned by uid and gid; it stays), as BuildKit does. */
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** "sandbox": Docker's default capabilities and seccomp; "insecure": all capabilities, no seccomp, writable /sys and /proc. */
  readonly security: "sandbox" | "insecure";
  /** Of a sandboxed process: its bounding set, instead of Docker's default. What the builder itself lacks is not given. */
  readonly capabilities?: readonly Capability[];
  readonly ulimits: readonly Ulimit[];
}

/** What a step's /etc/resolv.conf says instead of the machine's; an empty list leaves the machine's. */
export interface DnsSettings {
  readonly servers: readonly string[];
  readonly options: readonly string[];
  readonly search: readonly string[];
}

/** Signals that this process gets and a step is meant to have. */
export interface SignalSource {
  /** Tells of every signal until disposed. */
  listen(deliver: (name: NodeJS.Signals) => void): Disposable;
}

/** Network of a step: the machine's own, none (loopback only), or the driver's default. */
export type NetworkMode = "default" | "host" | "none";

export interface StepSpec {
  /** Names the step in errors and in the cgroup; [a-z0-9-]. */
  readonly id: string;
  readonly root: RootSpec;
  /** In order. /proc, /dev, /sys, /etc/hosts and /etc/resolv.conf are the driver's own business. */
  readonly mounts: readonly MountSpec[];
  readonly process: ProcessSpec;
  readonly network: NetworkMode;
  readonly hostname: string;
  /** Somebody asked for that name: a driver that cannot give it refuses the step. */
  readonly needsHostname?: boolean;
  /** Lines for /etc/hosts beside localhost's. */
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly dns?: DnsSettings;
  /** Its caller can run it again in a fresh root: a driver may give it a sandbox that is nearer to the others, and throw `NewPrivilegesNeeded`. */
  readonly isRepeatable?: boolean;
  /** Size of /dev/shm in bytes. */
  readonly shmSizeBytes: number;
  readonly cgroupParent?: string;
  /** A directory of the caller's for the driver's files of this step (hosts, resolv.conf, runtime bundle); the caller removes it. */
  readonly scratch: string;
  /** Input of the process: nothing (the default), or this process's own stdin. */
  readonly input?: "none" | "stdin";
  /**
   * Output of the process. "inherit" hands over this process's own stdout and stderr; "terminal" gives the process a new
   * terminal (its input too, if it has any) that is joined to this process's own streams.
   */
  readonly output: "inherit" | "terminal" | ((stream: 1 | 2, chunk: Uint8Array) => void);
  /** Passed on to the process. One that it neither handles nor ignores ends it, though it is pid 1, to which the kernel delivers no such signal. */
  readonly signals?: SignalSource;
}

/**
 * A step runs a program that gets its owner's rights, and had a sandbox where none may: its caller runs it again, in a fresh
 * root, not as `isRepeatable`.
 */
export class NewPrivilegesNeeded extends BuildError {
  constructor(program: string) {
    super("SANDBOX", `a step runs ${program}, which gets other rights than its caller's`);
  }
}

/** How a step ended. `signal` is set when the process died of one (exit code then 128 + number). */
export interface StepResult {
  readonly exitCode: number;
  readonly signal?: string;
  /** Whether the kernel's out-of-memory killer ended it, where that can be known. */
  readonly outOfMemory?: boolean;
}

export type DriverName = "launcher" | "crun" | "runc" | "unshare" | "chroot";

/** What may be asked of RUN: a driver, or any of those that give it namespaces. */
export type RequiredSandbox = DriverName | "namespaces";

/** What a probe of a driver found. */
export interface DriverProbe {
  readonly driver: DriverName;
  readonly usable: boolean;
  /** Why not; or what it lacks ("no seccomp"). One line each. */
  readonly notes: readonly string[];
}

/** Runs steps. */
export interface Executor {
  readonly driver: DriverName;
  /** What the driver lacks, one line each. */
  readonly notes: readonly string[];
  /**
   * Runs one step to its end. When `signal` aborts, every process of the step is killed and everything it mounted is
   * gone before this rejects. Mount points that had to be made in the root are taken away again if still empty, so
   * that none of them stays in the upper; the step's own changes to /etc/hosts and /etc/resolv.conf never reach it.
   * Throws `SANDBOX` when the sandbox cannot be set up, `RUN_FAILED` with exit code 127 or 126 when the program is not there
   * or cannot be executed, `CANCELLED` after an abort; never for the exit code of the process. Call it from the main thread or
   * from a worker that outlives the step: the kernel kills a step when the thread that started it ends.
   */
  run(step: StepSpec, signal: AbortSignal): Promise<StepResult>;
}

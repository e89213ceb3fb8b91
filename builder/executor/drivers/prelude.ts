// What the fallback drivers share. Without our launcher, util-linux does its part: unshare(1) makes a
// mount and a pid namespace around the step, in which mount(8) mounts the stacks. So all mounts and
// all processes end with it; setpriv(1) has the kernel end it when this process dies.

import { spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, rmdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { BuildError } from "../../core/errors.ts";
import type { MountSpec, OverlayStack, StepResult, StepSpec } from "../executor.ts";
import { findProgram } from "../find-program.ts";
import type { HostFacts } from "../host-facts.ts";
import { checkIds, distinctMounts, mountedKind, stubsOf, viewStack } from "../launcher/step-plan.ts";
import { overlayOptions } from "../overlay-options.ts";
import { feedInput, inputKind } from "../own-streams.ts";
import { childrenOf, passSignals } from "../pass-signals.ts";
import { stepRuns } from "../pause-steps.ts";
import { runOnTerminal, wantsTerminal } from "../terminal.ts";
import { stopped, throwIfAborted } from "../launcher/step-result.ts";

/** One thing that the prelude script does. */
export type PreludeStep =
  | {
      readonly kind: "mount";
      readonly type: string;
      readonly options: string;
      readonly source: string;
      readonly target: string;
    }
  | { readonly kind: "directory" | "file"; readonly path: string }
  | { readonly kind: "link"; readonly text: string; readonly path: string };

export interface Prelude {
  /** Where the root is, once the prelude has run. */
  readonly rootPath: string;
  readonly prelude: readonly PreludeStep[];
  /** The step's mounts with stacks replaced by binds of what the prelude mounts. */
  readonly mounts: readonly Exclude<MountSpec, { kind: "overlay" }>[];
  /** Takes made mount points away again, where the root is a plain directory. */
  readonly tidy: () => Promise<void>;
}

/** Does the steps, each a word and its arguments, then becomes the rest. The values are arguments, never script. */
const SCRIPT = `
set -e
umask 022
while [ "$1" != "--" ]; do
  case "$1" in
    mount) mount -t "$2" -o "$3" "$4" "$5"; shift 5 ;;
    directory) mkdir -p "$2"; shift 2 ;;
    file) : >"$2"; shift 2 ;;
    link) ln -s "$2" "$3"; shift 3 ;;
  esac
done
shift
exec "$@"
`;

/** Plans the mounts of a step for the prelude. Throws `SANDBOX` where a stack's sub path goes through a link, which only the launcher resolves safely. */
export function planPrelude(step: StepSpec, host: HostFacts): Prelude {
  checkIds(step, host);
  const rootPath = join(step.scratch, "root");
  const links = join(step.scratch, "l");
  mkdirSync(rootPath, { recursive: true });
  mkdirSync(links, { recursive: true });
  const short = shortNames(links);
  const prelude: PreludeStep[] = [];
  const own = distinctMounts(step.mounts);
  let tidy: () => Promise<void> = async () => undefined;
  if (step.root.kind === "overlay") {
    const stub = join(step.scratch, "stub");
    for (const [path, isFile] of stubsOf(step, own)) makeStub(join(stub, path), isFile);
    prelude.push(
      overlayMount(
        { ...step.root.stack, lowers: [...step.root.stack.lowers, stub] },
        step.root.stack,
        host,
        short,
        rootPath,
      ),
    );
  } else {
    prelude.push({ kind: "mount", type: "none", options: "rbind", source: step.root.path, target: rootPath });
    tidy = rememberMissing(step.root.path, stubsOf(step, own));
  }
  const mounts = own.map((mount, at) => {
    if (mount.kind !== "overlay") return mount;
    if (mountedKind(mount) === undefined) {
      throw new BuildError(
        "SANDBOX",
        `cannot mount "${mount.subPath}" of another stage on "${mount.target}": it is missing or reached through a link, which only tsbuild's own launcher follows safely`,
      );
    }
    const staging = join(step.scratch, `staging-${at}`);
    mkdirSync(staging, { recursive: true });
    const stack = viewStack(mount.stack, step.scratch);
    prelude.push(overlayMount(stack, mount.stack, host, short, staging));
    return {
      kind: "bind" as const,
      source: join(staging, mount.subPath),
      target: mount.target,
      readonly: mount.readonly,
    };
  });
  return { rootPath, prelude, mounts, tidy };
}

/** The command line that runs the prelude and then `command`, which dies with this process. */
export function preludeCommand(
  prelude: readonly PreludeStep[],
  command: readonly string[],
  namespaces: readonly string[] = [],
): string[] {
  const steps = prelude.flatMap((step) => preludeWords(step));
  return [
    ...[tool("setpriv"), "--pdeathsig", "KILL", "--"],
    ...[
      tool("unshare"),
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child=KILL",
      "--mount-proc",
      ...namespaces,
      "--",
    ],
    ...["/bin/sh", "-c", SCRIPT, "sh", ...steps, "--", ...command],
  ];
}

function preludeWords(step: PreludeStep): string[] {
  switch (step.kind) {
    case "mount":
      return ["mount", step.type, step.options, step.source, step.target];
    case "directory":
    case "file":
      return [step.kind, step.path];
    case "link":
      return ["link", step.text, step.path];
  }
}

/**
 * Runs a command line to its end and passes its output on; `depth` says in which pid namespace below it the step's process
 * is. Throws `CANCELLED` when the signal aborts.
 */
export async function runCommand(
  command: readonly string[],
  step: StepSpec,
  depth: number,
  signal: AbortSignal,
): Promise<StepResult> {
  throwIfAborted(signal);
  const [file = "", ...args] = command;
  const env = { PATH: TOOL_PATH, LIBMOUNT_FORCE_MOUNT2: "always" };
  const cwd = join(step.scratch, "l");
  if (wantsTerminal(step)) {
    const end = await runOnTerminal({ command, cwd, env, depth }, step, killInside, signal);
    throwIfAborted(signal);
    return end.passed.resultOf(signalled(end.signal === undefined ? end.code : 128 + end.signal));
  }
  const output = step.output;
  const kind = typeof output === "function" ? "pipe" : "inherit";
  using passed = passSignals(step.signals);
  const child = spawn(file, args, { stdio: [inputKind(step), kind, kind], env, cwd });
  using _runs = stepRuns(child.pid, step.scratch);
  using _input = feedInput(child);
  passed.to(child.pid, depth);
  if (typeof output === "function") {
    child.stdout?.on("data", (chunk: Buffer) => output(1, chunk));
    child.stderr?.on("data", (chunk: Buffer) => output(2, chunk));
  }
  const stop = (): void => {
    if (child.pid !== undefined) killInside(child.pid);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const result = await new Promise<StepResult>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new BuildError("SANDBOX", `cannot start "${file}": ${cause.message}`, { cause })),
      );
      child.on("close", (code, name) => {
        if (signal.aborted) reject(stopped(signal));
        else if (name !== null) resolve({ exitCode: 128 + constants.signals[name], signal: name });
        else resolve(signalled(code ?? 0));
      });
      if (signal.aborted) stop();
    });
    return passed.resultOf(result);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Kills pid 1 of the namespace, not unshare(1) above it: that one ends only when the kernel has ended all below, so that
 * nothing is left when its end is seen.
 */
function killInside(outside: number): void {
  const inside = childrenOf(outside);
  for (const pid of inside.length === 0 ? [outside] : inside) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone in between
    }
  }
}

/** The tools' absolute path, or undefined. */
export function findTool(name: string): string | undefined {
  return findProgram(name, TOOL_PATH.split(":"));
}

/** What the prelude needs and this machine lacks. */
export function missingTools(...more: readonly string[]): string[] {
  return ["setpriv", "unshare", "mount", ...more].filter((name) => findTool(name) === undefined);
}

const TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A tool's absolute path, or its name where it is not there. */
export function tool(name: string): string {
  return findTool(name) ?? name;
}

/** The runtimes end with 128 + number when the process died of a signal; so may a program by itself, which cannot be told apart. */
function signalled(exitCode: number): StepResult {
  const name =
    exitCode > 128 ? Object.entries(constants.signals).find(([, value]) => value === exitCode - 128)?.[0] : undefined;
  return name === undefined ? { exitCode } : { exitCode, signal: name };
}

/** Links with short names, so that many lowers fit into the one page of options that mount(2) takes; the command runs beside them. */
function shortNames(directory: string): (path: string) => string {
  let next = 0;
  return (path) => {
    const name = (next++).toString(36);
    symlinkSync(path, join(directory, name));
    return name;
  };
}

function overlayMount(
  stack: OverlayStack,
  original: OverlayStack,
  host: HostFacts,
  short: (path: string) => string,
  target: string,
): PreludeStep {
  const lowers = stack.lowers.map((lower) => short(lower)).join(":");
  const upper =
    stack.upper === undefined || stack.work === undefined
      ? ""
      : `,upperdir=${short(stack.upper)},workdir=${short(stack.work)}`;
  return {
    kind: "mount",
    type: "overlay",
    options: `${overlayOptions(original, host)},lowerdir=${lowers}${upper}`,
    source: "overlay",
    target,
  };
}

function makeStub(path: string, isFile: boolean): void {
  mkdirSync(isFile ? dirname(path) : path, { recursive: true });
  if (isFile && !existsSync(path)) writeFileSync(path, "");
}

/** For a root that is a directory: what is missing now is removed afterwards, if still empty, and the parents get their times back. */
function rememberMissing(root: string, stubs: readonly (readonly [string, boolean])[]): () => Promise<void> {
  const missing = new Set<string>();
  const times = new Map<string, string>();
  for (const [stub] of stubs) {
    let parent = root;
    for (const part of stub.split("/").filter((name) => name !== "")) {
      const path = join(parent, part);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat?.isSymbolicLink() === true) break; // where it leads the runtime decides
      if (stat === undefined) {
        missing.add(path);
        const known = statSync(parent, { bigint: true, throwIfNoEntry: false });
        if (known !== undefined && !times.has(parent))
          times.set(
            parent,
            `@${known.mtimeNs / 1_000_000_000n}.${String(known.mtimeNs % 1_000_000_000n).padStart(9, "0")}`,
          );
      }
      parent = path;
    }
  }
  return async () => {
    for (const path of [...missing].toReversed()) {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      try {
        if (stat?.isDirectory() === true) rmdirSync(path);
        else if (stat?.isFile() === true && stat.size === 0) unlinkSync(path);
      } catch {
        // not empty: the step used it, so it stays
      }
    }
    // Node's utimes loses nanoseconds; touch(1) does not.
    for (const [directory, time] of times) {
      await new Promise<void>((resolve) =>
        spawn(tool("touch"), ["-m", "-d", time, directory], { stdio: "ignore" })
          .on("close", () => resolve())
          .on("error", () => resolve()),
      );
    }
  };
}

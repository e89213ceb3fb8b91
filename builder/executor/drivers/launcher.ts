// The first driver: our own launcher, one small static program a step. It mounts, pivots,
// filters and starts; this side writes its spec, carries the output, and reads how it ended.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { fileURLToPath } from "node:url";
import { getSystemErrorMessage } from "node:util";
import { BuildError } from "../../core/errors.ts";
import type { DriverProbe, Executor, StepResult, StepSpec } from "../executor.ts";
import { makeStepCgroups } from "../cgroup.ts";
import { readHostFacts } from "../host-facts.ts";
import type { Report } from "../launcher/spec.ts";
import { readReports } from "../launcher/spec.ts";
import { planStep } from "../launcher/step-plan.ts";
import { runOnTerminal, wantsTerminal } from "../terminal.ts";

/** Where the launcher lies: beside the compiled program, or in `dist` when the sources are run. Undefined where it was never built. */
export function findLauncher(): string | undefined {
  const beside = fileURLToPath(new URL("../launcher/tsbuild-launcher", import.meta.url));
  const built = fileURLToPath(new URL("../../../dist/builder/executor/launcher/tsbuild-launcher", import.meta.url));
  return [beside, built].find((path) => isExecutable(path));
}

/** The executor over the launcher at `path`. */
export function launcherExecutor(path: string, notes: readonly string[] = []): Executor {
  const host = readHostFacts();
  return {
    driver: "launcher",
    notes,
    async run(step, signal) {
      throwIfAborted(step, signal);
      using cgroups = makeStepCgroups(step, host);
      const terminal = wantsTerminal(step);
      const spec = planStep(step, host, { terminal, cgroups: cgroups.directories });
      const reports = terminal
        ? await runOnTerminal(path, spec, step, signal)
        : await runPiped(path, spec, step, signal);
      throwIfAborted(step, signal);
      return { ...resultOf(step, reports), ...(cgroups.outOfMemory() ? { outOfMemory: true } : {}) };
    },
  };
}

/** Asks the launcher what it may do here. Never throws. */
export async function probeLauncher(path: string | undefined): Promise<DriverProbe> {
  const unusable = (...notes: string[]): DriverProbe => ({ driver: "launcher", usable: false, notes });
  if (path === undefined) return unusable("tsbuild-launcher is not there: it is built by make where a C compiler is");
  const checks = await runProbe(path);
  if (checks.get("everything") === 0) return { driver: "launcher", usable: true, notes: [] };
  const failed = PROBES.filter(([name]) => checks.get(name) !== 0).map(([name, meaning]) => {
    const errno = checks.get(name);
    return `${meaning}: ${errno === undefined ? "not tried" : errnoText(errno)}`;
  });
  if (failed.length > 0) return unusable(...failed);
  const notes: string[] = [];
  if (checks.get("proc") !== 0) notes.push("a fresh /proc is not permitted here: steps see the outer one");
  if (checks.get("network") !== 0) notes.push("network=none is not permitted here");
  return { driver: "launcher", usable: true, notes };
}

const PROBES = [
  ["namespaces", "create mount, pid, ipc and uts namespaces"],
  ["mount", "mount a tmpfs"],
  ["overlay", "mount an overlay"],
  ["mount-api", "use open_tree and mount_setattr (Linux 5.12)"],
  ["seccomp", "load a seccomp filter"],
] as const;

async function runProbe(path: string): Promise<Map<string, number>> {
  const child = spawn(path, ["probe"], { stdio: ["ignore", "pipe", "ignore"], env: {} });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
  const lines = Buffer.concat(chunks).toString("utf8").trim().split("\n");
  return new Map(lines.map((line) => line.split(" ")).map(([name = "", errno]) => [name, Number(errno)]));
}

/** Runs the launcher with its spec on a socket as fd 3; the socket's end is also how it learns that this process is gone. */
async function runPiped(path: string, spec: Buffer, step: StepSpec, signal: AbortSignal): Promise<Report[]> {
  const output = step.output;
  const through = output === "inherit";
  const child = spawn(path, ["step"], {
    stdio: through
      ? [step.input === "stdin" ? "inherit" : "ignore", "inherit", "inherit", "pipe"]
      : ["ignore", "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  const reports = collect(child, spec);
  if (output !== "inherit") {
    child.stdout?.on("data", (chunk: Buffer) => output(1, chunk));
    child.stderr?.on("data", (chunk: Buffer) => output(2, chunk));
  }
  await endOf(child, step, signal);
  return readReports(Buffer.concat(reports));
}

function collect(child: ChildProcess, spec: Buffer): Buffer[] {
  const channel = child.stdio[3];
  const chunks: Buffer[] = [];
  if (channel && "write" in channel) {
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.on("error", () => undefined); // the launcher died; its end says so
    channel.write(spec);
  }
  return chunks;
}

/** Waits until the launcher and its pipes are closed; stops it when the signal aborts. */
async function endOf(child: ChildProcess, step: StepSpec, signal: AbortSignal): Promise<void> {
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new BuildError("SANDBOX", `step ${step.id}: the launcher does not start: ${cause.message}`, { cause })),
      );
      child.on("close", () => resolve());
      if (signal.aborted) stop();
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What the reports say: a result, or an error of the sandbox or of the program's start. */
export function resultOf(step: StepSpec, reports: readonly Report[]): StepResult {
  const setup = reports.find((report) => report.kind === "setup");
  if (setup !== undefined) {
    throw new BuildError("SANDBOX", `step ${step.id}: ${setup.text}: ${errnoText(setup.value)}`);
  }
  const program = reports.find((report) => report.kind === "program");
  if (program !== undefined) {
    throw new BuildError("RUN_FAILED", lowerReason(program.text), {
      exitCode: program.value === osConstants.errno.ENOENT ? 127 : 126,
    });
  }
  const exit = reports.find((report) => report.kind === "exit");
  if (exit === undefined) throw new BuildError("SANDBOX", `step ${step.id}: the launcher was killed`);
  return waitStatus(exit.value);
}

/** A wait status (waitpid(2)) as a result. */
function waitStatus(status: number): StepResult {
  const number = status & 0x7f;
  if (number === 0) return { exitCode: (status >> 8) & 0xff };
  const name = Object.entries(osConstants.signals).find(([, value]) => value === number)?.[0];
  return { exitCode: 128 + number, signal: name ?? `signal ${number}` };
}

/** Rejects with what an aborted step rejects with. */
export function throwIfAborted(step: StepSpec, signal: AbortSignal): void {
  if (signal.aborted) throw new BuildError("CANCELLED", `step ${step.id} was stopped`, { cause: signal.reason });
}

/** The C library's words start with a capital letter, Go's, which people know from here, with a small one. */
function lowerReason(text: string): string {
  return text.replace(/: ([A-Z])(?=[^:]*$)/, (_, letter: string) => `: ${letter.toLowerCase()}`);
}

function errnoText(errno: number): string {
  const name = Object.entries(osConstants.errno).find(([, value]) => value === errno)?.[0];
  const text = getSystemErrorMessage(-errno);
  return name === undefined ? text : `${text} (${name})`;
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

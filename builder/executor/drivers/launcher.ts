// The first driver: our own launcher, one small static program a step. It mounts, pivots,
// filters and starts; this side writes its spec, carries the output, and reads how it ended.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../core/errors.ts";
import type { DriverProbe, Executor, StepResult, StepSpec } from "../executor.ts";
import { makeStepCgroups } from "../cgroup.ts";
import { readHostFacts } from "../host-facts.ts";
import { feedInput, inputKind } from "../own-streams.ts";
import { passSignals } from "../pass-signals.ts";
import { stepRuns } from "../pause-steps.ts";
import { readReports } from "../launcher/spec.ts";
import { planStep } from "../launcher/step-plan.ts";
import { errnoText, resultOf, throwIfAborted } from "../launcher/step-result.ts";
import { runOnTerminal, wantsTerminal } from "../terminal.ts";
import { inTurn } from "./turns.ts";

/** The executor over the launcher at `path`. */
export function launcherExecutor(path: string, notes: readonly string[] = []): Executor {
  const host = readHostFacts();
  return {
    driver: "launcher",
    notes,
    async run(step, signal) {
      const run = async (): Promise<StepResult> => {
        throwIfAborted(signal);
        using cgroups = makeStepCgroups(step, host);
        const terminal = wantsTerminal(step);
        const spec = planStep(step, host, { terminal, cgroups: cgroups.directories });
        const result = terminal
          ? await runInTerminal(path, spec, step, signal)
          : await runPiped(path, spec, step, signal);
        return { ...result, ...(cgroups.outOfMemory() ? { outOfMemory: true } : {}) };
      };
      return notes.includes(OUTER_PROC) ? await inTurn(signal, run) : await run();
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
  if (checks.get("proc") !== 0) notes.push(OUTER_PROC);
  if (checks.get("network") !== 0) notes.push("network=none is not permitted here");
  return { driver: "launcher", usable: true, notes };
}

const OUTER_PROC = "a fresh /proc is not permitted here: steps see the outer one, and run one after the other";

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
export async function runPiped(path: string, spec: Buffer, step: StepSpec, signal: AbortSignal): Promise<StepResult> {
  const output = step.output;
  const kind = typeof output === "function" ? "pipe" : "inherit";
  using passed = passSignals(step.signals);
  const child = spawn(path, ["step"], { stdio: [inputKind(step), kind, kind, "pipe"], env: {}, cwd: "/" });
  using _runs = stepRuns(child.pid, step.scratch);
  const reports = collect(child, spec);
  if (typeof output === "function") {
    child.stdout?.on("data", (chunk: Buffer) => output(1, chunk));
    child.stderr?.on("data", (chunk: Buffer) => output(2, chunk));
  }
  using _input = feedInput(child);
  passed.to(child.pid, 1);
  await endOf(child, signal);
  throwIfAborted(signal);
  return passed.resultOf(resultOf(readReports(Buffer.concat(reports))));
}

/** The same on a terminal, which leaves no room for fd 3: spec and reports are files. */
async function runInTerminal(path: string, spec: Buffer, step: StepSpec, signal: AbortSignal): Promise<StepResult> {
  const specFile = join(step.scratch, "spec");
  const reportFile = join(step.scratch, "report");
  writeFileSync(specFile, spec, { mode: 0o600 });
  writeFileSync(reportFile, "", { mode: 0o600 });
  const command = { command: [path, "step", specFile, reportFile], cwd: "/", env: {}, depth: 1 };
  const { passed } = await runOnTerminal(command, step, (pid) => process.kill(pid, "SIGTERM"), signal);
  throwIfAborted(signal);
  return passed.resultOf(resultOf(readReports(readFileSync(reportFile))));
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
async function endOf(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new BuildError("SANDBOX", `the launcher does not start: ${cause.message}`, { cause })),
      );
      child.on("close", () => resolve());
      if (signal.aborted) stop();
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

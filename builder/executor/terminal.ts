// A step on the person's own terminal (`tsbuild run`): a pseudo terminal of node-pty between the
// two, since the real one must stay with the shell that started us.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { StepSpec } from "./executor.ts";
import type { Report } from "./launcher/spec.ts";
import { readReports } from "./launcher/spec.ts";

/** Whether the step wants a terminal. */
export function wantsTerminal(step: StepSpec): boolean {
  return step.input === "terminal";
}

/** Runs the launcher on a new pseudo terminal, joined to this process's own until the step ends. Throws `UNSUPPORTED` without node-pty. */
export async function runOnTerminal(
  launcher: string,
  spec: Buffer,
  step: StepSpec,
  signal: AbortSignal,
): Promise<Report[]> {
  const specFile = join(step.scratch, "spec");
  const reportFile = join(step.scratch, "report");
  writeFileSync(specFile, spec, { mode: 0o600 });
  writeFileSync(reportFile, "", { mode: 0o600 });
  const { spawn } = await loadPty();
  const { stdin, stdout } = process;
  const pty = spawn(launcher, ["step", specFile, reportFile], {
    cols: stdout.columns || 80,
    rows: stdout.rows || 24,
    cwd: "/",
    env: {},
    encoding: null,
  });
  const resize = (): void => pty.resize(stdout.columns || 80, stdout.rows || 24);
  const type = (chunk: Buffer): void => pty.write(chunk);
  const stop = (): void => pty.kill("SIGTERM");
  stdin.setRawMode(true);
  stdin.on("data", type);
  stdout.on("resize", resize);
  signal.addEventListener("abort", stop, { once: true });
  try {
    await new Promise<void>((resolve) => {
      pty.onData((chunk) => void stdout.write(chunk));
      pty.onExit(() => resolve());
      if (signal.aborted) stop();
    });
  } finally {
    stdin.setRawMode(false);
    stdin.off("data", type);
    stdin.pause();
    stdout.off("resize", resize);
    signal.removeEventListener("abort", stop);
  }
  return readReports(readFileSync(reportFile));
}

async function loadPty(): Promise<typeof import("node-pty")> {
  try {
    return await import("node-pty");
  } catch (cause) {
    throw new BuildError("UNSUPPORTED", "an interactive terminal needs node-pty, which could not be installed here", {
      cause,
      hint: "install a C++ compiler and Python and run npm rebuild node-pty, or run without a terminal (</dev/null)",
    });
  }
}

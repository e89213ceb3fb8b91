// A step on a terminal of its own (`tsbuild run -t`, a shell in a step): a pseudo terminal of node-pty, joined to this
// process's own streams, since the person's terminal must stay with the shell that started us.

import { isatty } from "node:tty";
import { BuildError } from "../core/errors.ts";
import { rawOutput } from "../core/system/syscall.ts";
import type { StepSpec } from "./executor.ts";
import type { PassedSignals } from "./pass-signals.ts";
import { passSignals } from "./pass-signals.ts";

/** Whether the step wants a terminal. */
export function wantsTerminal(step: StepSpec): boolean {
  return step.output === "terminal";
}

/** What runs on the terminal, and where in it the step's process is. */
export interface TerminalCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Pid namespaces between the command and the step's process. */
  readonly depth: number;
}

/** How the command ended: by itself, or by a signal. */
export interface TerminalEnd {
  readonly code: number;
  readonly signal: number | undefined;
  /** For signals that were passed on. */
  readonly passed: PassedSignals;
}

/** Runs a command on a new pseudo terminal, joined to this process's own streams until it ends; `stop` ends it when the signal aborts. Throws `UNSUPPORTED` without node-pty. */
export async function runOnTerminal(
  { command, cwd, env, depth }: TerminalCommand,
  step: StepSpec,
  stop: (pid: number) => void,
  signal: AbortSignal,
): Promise<TerminalEnd> {
  const { spawn } = await loadPty();
  const { stdout } = process;
  const [file = "", ...args] = command;
  const { columns: cols, rows } = terminalSize();
  using passed = passSignals(step.signals);
  const pty = spawn(file, args, { cols, rows, cwd, env, encoding: null });
  const resize = (): void => {
    const now = terminalSize();
    pty.resize(now.columns, now.rows);
  };
  const abort = (): void => stop(pty.pid);
  using _keys = step.input === "stdin" ? typeInto(pty) : { [Symbol.dispose]: () => undefined };
  // The terminal of the step has put carriage returns where they belong.
  using _screen = isatty(1) ? rawOutput(1) : undefined;
  passed.to(pty.pid, depth);
  stdout.on("resize", resize);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await new Promise<TerminalEnd>((resolve) => {
      pty.onData((chunk) => void stdout.write(chunk));
      pty.onExit(({ exitCode, signal: died }) =>
        resolve({ code: exitCode, signal: died === 0 ? undefined : died, passed }),
      );
      if (signal.aborted) abort();
    });
  } finally {
    stdout.off("resize", resize);
    signal.removeEventListener("abort", abort);
  }
}

/** Standard input is typed into the terminal, each key as it comes; what Ctrl-C means is for the terminal inside to say. */
function typeInto(pty: { write(data: Buffer): void }): Disposable {
  const { stdin } = process;
  const isTerminal = isatty(0);
  const type = (chunk: Buffer): void => pty.write(chunk);
  // The end of a file is typed as what ends the input of a terminal.
  const end = (): void => pty.write(Buffer.of(END_OF_TRANSMISSION));
  if (isTerminal) stdin.setRawMode(true);
  stdin.on("data", type).on("end", end);
  return {
    [Symbol.dispose]() {
      if (isTerminal) stdin.setRawMode(false);
      stdin.off("data", type).off("end", end);
      stdin.pause();
    },
  };
}

const END_OF_TRANSMISSION = 4;

/** The size of the person's terminal, or the usual one where there is none. */
export function terminalSize(): { readonly columns: number; readonly rows: number } {
  const { columns, rows } = process.stdout;
  return { columns: columns || 80, rows: rows || 24 };
}

async function loadPty(): Promise<typeof import("node-pty")> {
  try {
    return await import("node-pty");
  } catch (cause) {
    throw new BuildError("UNSUPPORTED", "an interactive terminal needs node-pty, which could not be installed here", {
      cause,
      hint: "install a C++ compiler and Python and run npm rebuild node-pty, or run without a terminal",
    });
  }
}

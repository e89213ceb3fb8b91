// How this process's own standard input reaches a step.

import type { ChildProcess } from "node:child_process";
import { isatty } from "node:tty";
import type { StepSpec } from "./executor.ts";

/**
 * The first entry of `stdio` for the program that starts a step. A terminal is never handed over as it is: who holds it can
 * change its modes and, on older kernels, type into it.
 */
export function inputKind(step: StepSpec): "ignore" | "inherit" | "pipe" {
  if (step.input !== "stdin") return "ignore";
  return isatty(0) ? "pipe" : "inherit";
}

/** Feeds standard input to the program where it is a pipe; until disposed, which leaves it for others to read. */
export function feedInput(child: ChildProcess): Disposable {
  const to = child.stdin;
  if (to === null) return { [Symbol.dispose]: () => undefined };
  to.on("error", () => undefined); // the program reads no further
  process.stdin.pipe(to);
  return {
    [Symbol.dispose]() {
      process.stdin.unpipe(to);
      process.stdin.pause();
    },
  };
}

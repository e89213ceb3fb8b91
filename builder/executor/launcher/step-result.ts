// What the launcher reported, as a step's result or as an error.

import { constants as osConstants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import { BuildError } from "../../core/errors.ts";
import type { StepResult } from "../executor.ts";
import { NewPrivilegesNeeded } from "../executor.ts";
import type { Report } from "./spec.ts";

/** What a container must have for all that is not possible where nothing may be mounted. */
export const MOUNTS_HINT =
  "allow the container user namespaces, or give it CAP_SYS_ADMIN in one of its own (hostUsers: false); tsbuild doctor tells more";

/** What the reports say: a result, or an error of the sandbox or of the program's start. */
export function resultOf(reports: readonly Report[]): StepResult {
  const setup = reports.find((report) => report.kind === "setup");
  if (setup !== undefined) {
    throw new BuildError("SANDBOX", `${setup.text}: ${errnoText(setup.value)}`);
  }
  const refused = reports.find((report) => report.kind === "refused");
  if (refused?.value === 1) throw new NewPrivilegesNeeded(refused.text);
  if (refused !== undefined) throw new BuildError("SANDBOX", refused.text, { hint: MOUNTS_HINT });
  const program = reports.find((report) => report.kind === "program");
  if (program !== undefined) {
    throw new BuildError("RUN_FAILED", lowerReason(program.text), {
      exitCode: program.value === osConstants.errno.ENOENT ? 127 : 126,
    });
  }
  const exit = reports.find((report) => report.kind === "exit");
  if (exit === undefined) throw new BuildError("SANDBOX", "the launcher was killed");
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
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw stopped(signal);
}

/** What a step is rejected with that its signal stopped. */
export function stopped(signal: AbortSignal): BuildError {
  return new BuildError("CANCELLED", "the step was stopped", { cause: signal.reason });
}

/** The C library's words start with a capital letter, Go's, which people know from here, with a small one. */
function lowerReason(text: string): string {
  return text.replace(/: ([A-Z])(?=[^:]*$)/, (_, letter: string) => `: ${letter.toLowerCase()}`);
}

/** An errno in words, with its name. */
export function errnoText(errno: number): string {
  const name = Object.entries(osConstants.errno).find(([, value]) => value === errno)?.[0];
  const text = getSystemErrorMessage(-errno);
  return name === undefined ? text : `${text} (${name})`;
}

// `tsbuild build --on-error=shell`: who sits at the terminal, and what they are told before they have it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ErrorShell } from "../../../builder/request.ts";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import type { CommandContext } from "../command.ts";
import type { ShownEvents } from "../shown-events.ts";
import { closeShown } from "../shown-events.ts";

const INTRODUCTION = `
A shell in the failed step, as it was when it failed. What you change is gone when you leave; that ends the build.
`;
const NO_TERMINAL = "--on-error=shell: standard input or output is no terminal, so no shell was opened";

/** Whether a shell is wanted in a step that fails. Throws `USAGE`. */
export function wantsShell(args: Arguments): boolean {
  const text = textOf(args, "on-error");
  if (text === undefined || text === "" || text === "fail") return false;
  if (text === "shell") return true;
  throw new BuildError("USAGE", `--on-error: "${text}" is neither fail nor shell`);
}

/** The person at this terminal; undefined where there is none. They see the failure at once, and not again. */
export function errorShell({ environment, outcome }: CommandContext, shown: ShownEvents): ErrorShell | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  return {
    terminal: environment["TERM"] || "xterm",
    async ready(failure) {
      closeShown(shown, failure);
      const { errorText } = await import("../../cli/error-text.ts");
      if (!shown.display.tellsErrors) process.stderr.write(errorText(failure, outcome.debug));
      process.stderr.write(INTRODUCTION);
      outcome.told = true;
    },
  };
}

/** Says that a shell was wanted and there is no terminal for it. */
export function tellNoTerminal({ events }: ShownEvents, failure: BuildError): void {
  if (failure.code === "RUN_FAILED") events.sink({ kind: "warning", message: NO_TERMINAL });
}

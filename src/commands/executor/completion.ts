// `executor completion SHELL`: what completes the executor's command line.

import { BuildError } from "../../../builder/core/errors.ts";
import { completionScript, SHELLS } from "../../cli/completion.ts";
import { EXECUTOR_FLAGS } from "../../cli/flags/executor-flags.ts";
import type { CommandContext } from "../command.ts";

const WORDS = new Map([
  ["completion", "Print what completes this command line in a shell"],
  ["help", "Show all flags"],
  ["login", "Try a login at a registry and keep it"],
  ["push", "Push what an earlier job built"],
  ["version", "Show the version"],
]);

/** Prints the script. Throws `USAGE`. */
export async function executorCompletion({ args, print }: CommandContext): Promise<number> {
  const [shell, ...more] = args.filter((word) => word !== "--no-descriptions");
  if (shell === undefined || shell === "--help" || shell === "-h") {
    await print(`Usage:  executor completion ${SHELLS.join("|")}\n`);
    return 0;
  }
  if (more[0] !== undefined) throw new BuildError("USAGE", `executor completion takes one shell, not "${more[0]}" too`);
  await print(completionScript(shell, { program: "executor", words: WORDS, flags: EXECUTOR_FLAGS }));
  return 0;
}

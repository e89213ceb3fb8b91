// The shell that the shell form of RUN, CMD and ENTRYPOINT runs in.

import { stageOs } from "../stages/stage.ts";
import type { Stage } from "../stages/stage.ts";

/** The words as one line for SHELL, or for the system's own shell. */
export function withShell(stage: Stage, words: readonly string[]): string[] {
  const { Shell = [] } = stage.draft.config;
  const shell = Shell.length > 0 ? Shell : stageOs(stage) === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
  return [...shell, words.join(" ")];
}

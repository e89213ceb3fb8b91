// The command that sends what a job built and could not push, with all that the job was told of registries.

import { EXECUTOR_PUSH_FLAGS, LOG_FLAGS } from "../../cli/flags/executor-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf } from "../../cli/flags.ts";

const LEFT_OUT = new Set(["destination", "resume", ...LOG_FLAGS.map(({ name }) => name)]);

/** It, as one pastes it into a shell. `root` is the store of the job. */
export function resumeCommand(args: Arguments, destinations: readonly string[], root: string): string {
  const flags = EXECUTOR_PUSH_FLAGS.filter(({ name }) => !LEFT_OUT.has(name)).flatMap(({ name }) =>
    listOf(args, name)
      // A URL to tell the digest to may have a signature in it.
      .filter((value) => name !== "digest-file" || !/^https?:/.test(value))
      .map((value) => (value === "true" ? `--${name}` : `--${name}=${value}`)),
  );
  const words = ["tsbuild", "--root", root, "executor", "push", "--resume", ...destinations, ...flags];
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w.,:/@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

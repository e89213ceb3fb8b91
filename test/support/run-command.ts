// Runs a command of the program in this process, with its output at hand.

import { BuildError } from "../../builder/core/errors.ts";
import type { Command } from "../../src/commands/command.ts";

export interface Ran {
  /** The exit code; undefined when it threw. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly bytes: Buffer;
  readonly error: BuildError | undefined;
}

/** Runs it on a store, in an empty environment. Everything but a BuildError is thrown on. */
export async function runCommand(command: Command, root: string, ...args: readonly string[]): Promise<Ran> {
  return await runCommandIn({}, command, root, ...args);
}

/** The same with variables of the environment. */
export async function runCommandIn(
  environment: Readonly<Record<string, string>>,
  command: Command,
  root: string,
  ...args: readonly string[]
): Promise<Ran> {
  const chunks: Buffer[] = [];
  const finish = (code: number | undefined, error: BuildError | undefined): Ran => {
    const bytes = Buffer.concat(chunks);
    return { code, stdout: bytes.toString("utf8"), bytes, error };
  };
  try {
    const code = await command({
      args: ["--root", root, ...args],
      globals: { values: new Map(), positionals: [], notes: [] },
      environment,
      signal: new AbortController().signal,
      signals: { listen: () => ({ [Symbol.dispose]: () => undefined }) },
      print: async (data) => void chunks.push(Buffer.from(data)),
      outcome: { debug: false, told: false },
    });
    return finish(code, undefined);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return finish(undefined, error);
  }
}

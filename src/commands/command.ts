// What every command is given, and what it gives back.

import { BuildError } from "../../builder/core/errors.ts";
import type { SignalSource } from "../../builder/run-request.ts";
import type { Arguments, Flag, GrammarOptions } from "../cli/flags.ts";
import { isOn, parseArguments, textOf } from "../cli/flags.ts";
import { dataRoot } from "../config/data-root.ts";
import type { Environment } from "../config/environment.ts";

export interface CommandContext {
  /** The words after the command's name. */
  readonly args: readonly string[];
  /** Values of the global flags that stood before the command. */
  readonly globals: Arguments;
  readonly environment: Environment;
  /** What the command is called, where it always means a store of this machine: `readArguments` refuses it beside TSBUILD_HOST. */
  readonly ofThisStore?: string | undefined;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** The signals themselves, for a program that they are meant for: while somebody listens they abort nothing. */
  readonly signals: SignalSource;
  /** Writes to standard output and waits until it has taken it. */
  readonly print: (data: string | Uint8Array) => Promise<void>;
  /** What main should know when the command fails. */
  readonly outcome: Outcome;
}

/** Filled in by a command while it runs. */
export interface Outcome {
  /** Show stacks and causes. */
  debug: boolean;
  /** The error has been told (as JSON): no text. */
  told: boolean;
  /** The exit code of every failure that is not the program's own, where the command has one of its own for it. */
  ownFailure?: number;
}

/** Runs a command to its end; the number is the exit code. */
export type Command = (context: CommandContext) => Promise<number>;

/** Reads a command's flags. Undefined when the help was asked for, which is then printed. Throws `UNSUPPORTED` for `ofThisStore`. */
export async function readArguments(
  context: CommandContext,
  table: readonly Flag[],
  usage: string,
  options?: GrammarOptions,
): Promise<Arguments | undefined> {
  const args = parseArguments(table, context.args, options);
  context.outcome.debug ||= isOn(args, "debug") || isOn(context.globals, "debug");
  if (!isOn(args, "help") && !isOn(context.globals, "help")) {
    if (context.ofThisStore !== undefined) refuseHost(context, args, context.ofThisStore);
    return args;
  }
  const { describeFlags } = await import("../cli/help.ts");
  await context.print(`${usage}\n\nOptions:\n${describeFlags(table)}`);
  return undefined;
}

/** The store's folder for this command. */
export function rootOf(context: CommandContext, args: Arguments): string {
  return useRoot(textOf(args, "root") ?? textOf(context.globals, "root"), context.environment);
}

/**
 * For what is about a store of this machine. Throws `UNSUPPORTED` where TSBUILD_HOST names a daemon and no flag a
 * store: what is meant may be there.
 */
export function refuseHost({ environment, globals }: CommandContext, args: Arguments, what: string): void {
  const host = environment["TSBUILD_HOST"] ?? "";
  if (host === "" || (textOf(args, "root") ?? textOf(globals, "root")) !== undefined) return;
  throw new BuildError("UNSUPPORTED", `${what} means this machine's store, and TSBUILD_HOST names ${host}`, {
    hint: "say with --root which store of this machine is meant; or run it on the daemon's machine, with the daemon's --root",
  });
}

/** The store's folder where a flag names one, or none does. */
export function useRoot(flag: string | undefined, environment: Environment): string {
  const root = dataRoot(flag, environment, process.getuid?.() ?? 0);
  // Run once more inside a user namespace this program is root, and must not look for another place then.
  process.env["TSBUILD_ROOT"] = root;
  return root;
}

/** Checks the number of positionals. Throws `USAGE`. */
export function exactly(args: Arguments, count: number, command: string, what: string): readonly string[] {
  if (args.positionals.length !== count) {
    const found = args.positionals.length === 0 ? "" : `, not ${args.positionals.length}`;
    throw new BuildError(
      "USAGE",
      `"tsbuild ${command}" requires exactly ${count} argument${count === 1 ? "" : "s"} (${what})${found}`,
      {
        hint: `See 'tsbuild ${command} --help'.`,
      },
    );
  }
  return args.positionals;
}

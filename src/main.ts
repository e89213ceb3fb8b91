// The program's entry: finds the command, runs it, and turns what comes of it into an exit code. The only place with
// exit codes and process.exit, and the only one that writes errors. Everything a command needs is imported when it runs.

import { basename } from "node:path";
import type { BuildError, ErrorCode } from "../builder/core/errors.ts";
import type { Arguments } from "./cli/flags.ts";
import type { Outcome } from "./commands/command.ts";
import { COMMANDS, type CommandEntry } from "./commands/command-table.ts";
import type { SignalSource } from "../builder/run-request.ts";

/** sysexits(3) where they fit; docs/manual, "Exit codes". */
const EXIT = {
  usage: 125,
  data: 65,
  input: 66,
  unavailable: 69,
  internal: 70,
  output: 73,
  push: 76,
  sandbox: 77,
  config: 78,
} as const;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
/** Passed on to a program beside these two. */
const OTHER_SIGNALS = ["SIGHUP", "SIGQUIT", "SIGUSR2"] as const;
const PATIENCE = 2;

/** Names of other programs and commands that will have a meaning; a folder of that name is reached as "./executor". */
const LATER = new Set(["bud", "buildx", "buildctl", "sync"]);

const outcome: Outcome = { debug: false, told: false };
const stop = new AbortController();
let stoppedBy: keyof typeof SIGNALS | undefined;
let stdoutIsClosed = false;

/** Gets the signals while a program runs that they are meant for. */
let program: ((name: NodeJS.Signals) => void) | undefined;
let passedOn = 0;
/** For commands that run somebody's program: what it does not heed is, at the third time, meant for us. */
const signals: SignalSource = {
  listen(deliver) {
    program = deliver;
    passedOn = 0;
    const others = OTHER_SIGNALS.map((name) => [name, () => deliver(name)] as const);
    for (const [name, pass] of others) process.on(name, pass);
    return {
      [Symbol.dispose]() {
        program = undefined;
        for (const [name, pass] of others) process.off(name, pass);
      },
    };
  },
};

process.on("SIGINT", () => onSignal("SIGINT"));
process.on("SIGTERM", () => onSignal("SIGTERM"));
// Without this one Node opens a debugger's port.
process.on("SIGUSR1", () => program?.("SIGUSR1"));
process.on("uncaughtException", (error) => void fail(error));
process.on("unhandledRejection", (error) => void fail(error));
process.stdout.on("error", (error: NodeJS.ErrnoException) => void onStdoutError(error));
// Nobody watches any more: the build goes on.
process.stderr.on("error", () => {});

main(process.argv.slice(2))
  .then((code) => leave(stdoutIsClosed ? EXIT.output : code))
  .catch(fail);

/** Runs the command that the words name. */
async function main(words: readonly string[]): Promise<number> {
  const { flags, command, args } = await splitWords(words);
  const { isOn } = await import("./cli/flags.ts");
  outcome.debug = isOn(flags, "debug");
  if (isOn(flags, "version")) {
    const { VERSION } = await import("./version.ts");
    await print(`tsbuild ${VERSION}\n`);
    return 0;
  }
  if (command === undefined) {
    const { mainHelp } = await import("./cli/main-help.ts");
    await print(mainHelp(COMMANDS));
    return 0;
  }
  const run = await command.load();
  const ofThisStore = command.ofThisStore === true ? `tsbuild ${command.name}` : undefined;
  const { signal } = stop;
  return await run({ args, globals: flags, environment: process.env, ofThisStore, signal, signals, print, outcome });
}

/**
 * Global flags, then a command's name; with any other word, or a flag that is not global, all of it is build's. What says
 * where the daemon is may stand before the command as well, as docker has it.
 */
async function splitWords(
  words: readonly string[],
): Promise<{ flags: Arguments; command: CommandEntry | undefined; args: readonly string[] }> {
  const { parseArguments } = await import("./cli/flags.ts");
  const { GLOBAL_FLAGS, VERSION_FLAG } = await import("./cli/flags/global-flags.ts");
  const globals = [...GLOBAL_FLAGS, VERSION_FLAG];
  const startedAs = basename(process.argv[1] ?? "").replace(/\.(js|ts)$/, "");
  if (LATER.has(startedAs)) await refuseLater(startedAs);
  // /kaniko/executor, /kaniko/warmer
  const isPersonality = startedAs === "executor" || startedAs === "warmer";
  const personality = isPersonality ? COMMANDS.find(({ name }) => name === startedAs) : undefined;
  if (personality !== undefined) return { flags: parseArguments(globals, []), command: personality, args: words };

  let at = 0;
  const [globalWords, moved]: [string[], string[]] = [[], []];
  for (
    let word = words[at];
    word !== undefined && word.startsWith("-") && word !== "-" && word !== "--";
    word = words[at]
  ) {
    const name = word.replace(/^--?/, "").replace(/=.*$/s, "");
    const isLong = word.startsWith("--");
    const flag = globals.find((candidate) => (isLong ? candidate.name : candidate.short) === name);
    const isHost = flag === undefined && isLong && /^(?:host|tls-(?:ca|cert|key|server-name))$/.test(name);
    if (flag === undefined && !isHost) break;
    const count = flag?.kind === "boolean" || word.includes("=") ? 1 : 2;
    (isHost ? moved : globalWords).push(...words.slice(at, at + count));
    at += count;
  }
  const flags = parseArguments(globals, globalWords);
  const word = words[at];
  if (word === undefined && moved.length === 0) return { flags, command: undefined, args: [] };
  if (word !== undefined && LATER.has(word)) await refuseLater(word);
  const named = COMMANDS.find(({ name }) => name === word);
  if (named !== undefined) {
    const rest = words.slice(at + 1);
    const first = named.hasCommands === true && rest[0]?.startsWith("-") === false ? 1 : 0;
    return { flags, command: named, args: [...rest.slice(0, first), ...moved, ...rest.slice(first)] };
  }
  if (word === "help") return { flags, command: undefined, args: [] };
  return { flags, command: COMMANDS[0], args: [...moved, ...words.slice(at)] };
}

async function refuseLater(name: string): Promise<never> {
  const { BuildError } = await import("../builder/core/errors.ts");
  throw new BuildError("UNSUPPORTED", `"${name}" is not supported yet`, {
    hint: `a build context of that name is written ./${name}`,
  });
}

/** Ends the program for an error: as text, with its exit code; or once more inside a user namespace. */
async function fail(thrown: unknown): Promise<never> {
  const { NamespaceNeeded } = await import("../builder/core/system/namespace.ts");
  if (thrown instanceof NamespaceNeeded) {
    try {
      const { runInNamespace } = await import("../builder/namespace.ts");
      process.exit(await runInNamespace(process.argv.slice(1), process.env, thrown.notes));
    } catch (error) {
      return await fail(error);
    }
  }
  const { asBuildError } = await import("../builder/core/errors.ts");
  const { errorText } = await import("./cli/error-text.ts");
  const error = asBuildError(thrown);
  if (!outcome.told) process.stderr.write(errorText(error, outcome.debug));
  return await leave(exitCodeOf(error));
}

/** Ends the program when what it said has been read: a pipe takes 64 KiB at a time. */
async function leave(code: number): Promise<never> {
  await new Promise<void>((resolve) => void process.stderr.write("", () => resolve()));
  process.exit(code);
}

function exitCodeOf(error: BuildError): number {
  if (stoppedBy !== undefined) return SIGNALS[stoppedBy];
  if (stdoutIsClosed) return EXIT.output;
  if (outcome.ownFailure !== undefined && error.code !== "RUN_FAILED") return outcome.ownFailure;
  // What a flag said wrongly is usage; what a Dockerfile said wrongly is its fault.
  const said = error.location === undefined ? EXIT.usage : EXIT.data;
  const codes: Record<ErrorCode, number> = {
    USAGE: EXIT.usage,
    UNSUPPORTED: said,
    REFERENCE_INVALID: said,
    DOCKERFILE: EXIT.data,
    DIGEST_INVALID: EXIT.data,
    ARCHIVE_INVALID: EXIT.data,
    SECRET_IN_RESULT: EXIT.data,
    CONTEXT: EXIT.input,
    INPUT_MISSING: EXIT.input,
    REGISTRY: EXIT.unavailable,
    RUN_FAILED: error.exitCode ?? 1,
    SANDBOX: EXIT.sandbox,
    OUTPUT: EXIT.output,
    STORE: EXIT.output,
    PUSH: EXIT.push,
    CONFIG: EXIT.config,
    CANCELLED: SIGNALS.SIGINT,
    INTERNAL: EXIT.internal,
  };
  return codes[error.code];
}

/** The first one asks for an orderly end, the second one does not wait for it. */
function onSignal(name: keyof typeof SIGNALS): void {
  if (program !== undefined && passedOn++ < PATIENCE) return program(name);
  if (stoppedBy !== undefined) process.exit(SIGNALS[name]);
  stoppedBy = name;
  void import("../builder/core/errors.ts").then(({ BuildError }) => {
    stop.abort(new BuildError("CANCELLED", `stopped by ${name}`));
  });
}

/** A reader that went away is no failure to shout about, but the work for it ends. */
async function onStdoutError(cause: NodeJS.ErrnoException): Promise<void> {
  stdoutIsClosed = true;
  const { BuildError } = await import("../builder/core/errors.ts");
  const why = cause.code === "EPIPE" ? "its reader has gone" : cause.message;
  stop.abort(new BuildError("OUTPUT", `cannot write to standard output: ${why}`, { cause }));
}

async function print(data: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(data, (cause) => {
      if (cause === null || cause === undefined) resolve();
      else
        void import("../builder/core/errors.ts").then(({ BuildError }) =>
          reject(new BuildError("OUTPUT", "cannot write to standard output", { cause })),
        );
    });
  });
}

// `tsbuild builds`: what is remembered of builds. Its subcommands are those of `docker buildx history`.

import { BuildError } from "../../../builder/core/errors.ts";
import type { BuildRecord, ListedBuild } from "../../../builder/builds.ts";
import {
  BUILDS_EXPORT_FLAGS,
  BUILDS_LOGS_FLAGS,
  BUILDS_REPORT_FLAGS,
  BUILDS_RM_FLAGS,
  BUILDS_SHOW_FLAGS,
} from "../../cli/flags/builds-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import type { History } from "./history-at.ts";
import { historyAt } from "./history-at.ts";

const USAGE = `Usage:  tsbuild builds COMMAND [OPTIONS]

What is remembered of the last builds.

Commands:
  ls                   List them
  show [BUILD]         What was asked for, each step with its time, what came of it
  logs [BUILD[:STEP]]  All that its steps printed; of one step the bytes and nothing else
  export [BUILD...]    Records with logs, as JSON lines
  report [BUILD]       A page (HTML) of it: times, critical path, cache, layers, output; needs nothing else to be read
  rm BUILD...          Forget builds, and what their failed steps left

BUILD is an id, the beginning of one, or ^N: the N-th before the last. Without it, it is the last one.
Run 'tsbuild builds COMMAND --help' for the options of a command.
`;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  ls: async () => (await import("./list.ts")).listBuilds,
  show: () => Promise.resolve(show),
  inspect: () => Promise.resolve(show),
  logs: () => Promise.resolve(logs),
  export: () => Promise.resolve(exportBuilds),
  report: () => Promise.resolve(report),
  rm: () => Promise.resolve(remove),
};

/** Hands the rest of the words to a subcommand. */
export const builds: Command = async (context) => {
  const [name = "--help", ...args] = context.args;
  if (name === "--help" || name === "-h" || isOn(context.globals, "help")) {
    await context.print(USAGE);
    return 0;
  }
  const load = COMMANDS[name];
  if (load === undefined)
    throw new BuildError("USAGE", `"tsbuild builds" has no command "${name}"`, {
      hint: "See 'tsbuild builds --help'.",
    });
  return await (
    await load()
  )({ ...context, args });
};

const show: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_SHOW_FLAGS,
    "Usage:  tsbuild builds show [OPTIONS] [BUILD]\n\nShows what is remembered of a build.",
  );
  if (args === undefined) return 0;
  const history = await historyAt(context, args);
  const record = await history.record(await history.find(atMostOne(args)));
  const format = isOn(args, "json") ? "json" : (textOf(args, "format") ?? "pretty");
  if (format !== "json" && format !== "pretty")
    throw new BuildError("USAGE", `--format: "${format}" is neither pretty nor json`);
  const { buildText } = await import("./text.ts");
  await context.print(format === "json" ? `${JSON.stringify(record, null, 2)}\n` : buildText(record));
  return 0;
};

const logs: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_LOGS_FLAGS,
    "Usage:  tsbuild builds logs [OPTIONS] [BUILD[:STEP]]\n\nPrints what the steps of a build printed. STEP is its number in `builds show`, or what\nstands in the brackets of its name.",
  );
  if (args === undefined) return 0;
  const [, build, step] = /^([^:]*)(?::(.*))?$/s.exec(atMostOne(args) ?? "") ?? [];
  const history = await historyAt(context, args);
  const found = await history.find(build === "" ? undefined : build);
  const events = await history.events(found);
  const endedMs = found.endedMs ?? Date.now();
  if (step !== undefined) {
    await printStep(context, found, step, events);
    return 0;
  }
  const mode = textOf(args, "progress") ?? "plain";
  if (mode === "rawjson") {
    const { rawJsonLine } = await import("../../progress/rawjson.ts");
    for await (const event of events) await context.print(rawJsonLine(event, endedMs));
    return 0;
  }
  if (mode !== "plain" && mode !== "auto")
    throw new BuildError("USAGE", `--progress: "${mode}" is neither plain nor rawjson`);
  const { PlainText } = await import("../../progress/plain.ts");
  const view = new PlainText();
  let now = found.startedMs;
  for await (const event of events) {
    if (event.kind === "log") now = event.time;
    const text = view.push(event, now);
    if (text !== "") await context.print(text);
  }
  await context.print(view.end(endedMs));
  return 0;
};

/** What one step printed, and nothing else. Steps are all told of before one of them prints. */
async function printStep(context: CommandContext, { id }: ListedBuild, step: string, events: Events): Promise<void> {
  const { bracketsOf, TimelineFold } = await import("../../../builder/builds.ts");
  const fold = new TimelineFold();
  const named = new Set<number>();
  for await (const event of events) {
    const number = fold.take(event);
    if (number === undefined) continue;
    if (event.kind === "vertex" && (String(number + 1) === step || bracketsOf(event.name) === step)) named.add(number);
    if (event.kind === "log" && named.has(number) && named.size === 1) await context.print(event.data);
  }
  if (named.size === 1) return;
  const why = named.size === 0 ? `has no step "${step}"` : `has ${named.size} steps "${step}"`;
  throw new BuildError("USAGE", `the build ${id} ${why}`, { hint: `tsbuild builds show ${id} has their numbers` });
}

type Events = Awaited<ReturnType<History["events"]>>;

const exportBuilds: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_EXPORT_FLAGS,
    "Usage:  tsbuild builds export [OPTIONS] [BUILD...]\n\nWrites records of builds with their logs, as JSON lines.",
  );
  if (args === undefined) return 0;
  if (isOn(args, "all") && args.positionals.length > 0)
    throw new BuildError("USAGE", "builds export takes the builds, or --all, not both");
  const history = await historyAt(context, args);
  const names = args.positionals.length > 0 ? args.positionals : [undefined];
  const found = isOn(args, "all") ? await history.list() : await Promise.all(names.map((name) => history.find(name)));
  const output = textOf(args, "output") ?? "-";
  const lines = async function* (): AsyncGenerator<string> {
    for (const build of found) yield* exported(await history.record(build), await history.events(build));
  };
  if (output === "-") for await (const line of lines()) await context.print(line);
  else {
    const { writeWhole } = await import("../build/result.ts");
    await writeWhole(output, lines());
  }
  return 0;
};

/** A build as JSON lines: its record, then a line for each piece of output, `[step, stream, ms, bytes as Latin-1]`. */
async function* exported(record: BuildRecord, events: Events): AsyncGenerator<string> {
  yield `${JSON.stringify(record)}\n`;
  const places = new Map(record.timeline.steps.map(({ vertex }, place) => [vertex, place]));
  for await (const event of events)
    if (event.kind === "log") {
      const { vertex, stream, time, data } = event;
      yield `${JSON.stringify([places.get(vertex), stream, time, Buffer.from(data).toString("latin1")])}\n`;
    }
}

const report: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_REPORT_FLAGS,
    "Usage:  tsbuild builds report [OPTIONS] [BUILD]\n\nWrites a page of a build, as HTML that needs nothing else.",
  );
  if (args === undefined) return 0;
  const history = await historyAt(context, args);
  const page = await history.page(await history.find(atMostOne(args)));
  const output = textOf(args, "output") ?? "-";
  if (output === "-") await context.print(page);
  else await (await import("../build/result.ts")).writeWhole(output, page);
  return 0;
};

const remove: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_RM_FLAGS,
    "Usage:  tsbuild builds rm [OPTIONS] BUILD...\n\nForgets builds: their records, their logs, and what their failed steps left.",
  );
  if (args === undefined) return 0;
  const isAll = isOn(args, "all");
  if (isAll === args.positionals.length > 0)
    throw new BuildError("USAGE", "builds rm needs the builds to forget, or --all", { hint: "tsbuild builds ls" });
  const gone = await (await historyAt(context, args)).forget(isAll ? "all" : args.positionals);
  await context.print(gone.map((id) => `${id}\n`).join(""));
  return 0;
};

function atMostOne({ positionals }: Arguments): string | undefined {
  if (positionals.length > 1) throw new BuildError("USAGE", "one build at a time");
  return positionals[0];
}

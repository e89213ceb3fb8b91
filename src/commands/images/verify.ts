// `tsbuild verify`: whether a build gives the same image again, and if not, what differs.

import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import type { Difference, Verification } from "../../../builder/verify.ts";
import { BUILD_FLAGS } from "../../cli/flags/build-flags.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { namedInJson, printable, printableName } from "../../cli/printable.ts";
import { cut } from "../../progress/terminal-text.ts";
import { progressMode } from "../build/build.ts";
import { readOutputs } from "../build/outputs.ts";
import { readRequest } from "../build/request.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments, rootOf } from "../command.ts";
import { closeFailed, closeShown, showEvents } from "../shown-events.ts";
import { openStdin } from "../stdin.ts";

/** What makes no sense here: where the result goes, what is asked instead of it, what a cache would know. */
// prettier-ignore
const NOT_HERE = new Set([
  "attest", "call", "check", "iidfile", "load", "lock", "metadata-file", "no-cache", "no-cache-filter", "output", "print",
  "provenance", "push", "quiet", "sbom", "tag",
]);

/** The flags of a build that decide what the image is. */
export const VERIFY_FLAGS: readonly Flag[] = [
  ...BUILD_FLAGS.filter(({ name }) => !NOT_HERE.has(name)),
  { name: "json", kind: "boolean", state: "works", help: "Every difference as JSON" },
];

const USAGE = `Usage:  tsbuild verify [OPTIONS] [IMAGE] PATH | URL

Builds twice and compares, or builds once and compares with IMAGE, without a cache. Ends with 0 when the images are the
same, with 1 when they are not.`;

/** The command. */
export const verify: Command = async (context) => {
  const args = await readArguments(context, VERIFY_FLAGS, USAGE);
  if (args === undefined) return 0;
  const path = args.positionals.at(-1);
  const image = args.positionals.length === 2 ? args.positionals[0] : undefined;
  if (path === undefined || args.positionals.length > 2)
    throw new BuildError("USAGE", '"tsbuild verify" requires 1 or 2 arguments ([IMAGE] PATH or URL)', {
      hint: "See 'tsbuild verify --help'.",
    });
  const mode = progressMode(args, context.environment);
  const noOutput = async (): Promise<void> => undefined;
  const request = await readRequest({
    args,
    context: path,
    root: rootOf(context, args),
    outputs: await readOutputs(args, { isTerminal: false, write: noOutput }),
    environment: context.environment,
    openStdin: (what) => openStdin(what, false),
    events: () => undefined,
  });
  const { verify: run } = await import("../../../builder/verify.ts");
  const found = await run(request, { image, build: (_, work) => shown(context, mode, work) }, context.signal);
  await context.print(isOn(args, "json") ? `${JSON.stringify(jsonOf(found), null, 2)}\n` : textOf(found));
  return found.differences.length === 0 ? 0 : 1;
};

/** Does a build while its events are shown. */
async function shown<T>(
  context: CommandContext,
  mode: Parameters<typeof showEvents>[1],
  work: (events: EventSink) => Promise<T>,
): Promise<T> {
  const view = await showEvents(context, mode);
  try {
    const result = await work(view.events.sink);
    closeShown(view);
    return result;
  } catch (error) {
    throw closeFailed(context, view, error);
  }
}

function jsonOf({ a, b, differences }: Verification): object {
  const named = differences.map(({ path, ...difference }) => ({
    ...difference,
    ...(path === undefined ? {} : namedInJson("path", path)),
  }));
  return { same: differences.length === 0, a, b, differences: named };
}

function textOf({ a, b, differences }: Verification): string {
  if (differences.length === 0) return `${a.name} and ${b.name} are the same image: ${a.digest}\n`;
  const head = `${a.name}  ${a.digest}\n${b.name}  ${b.digest}\n`;
  const count = differences.length === 1 ? "1 difference" : `${differences.length} differences`;
  const groups = Map.groupBy(differences, headingOf);
  const parts = [...groups].map(([heading, each]) => `\n${heading}\n${each.map(lineOf).join("")}`);
  return `${head}${count}\n${parts.join("")}`;
}

const INSTRUCTION_COLUMNS = 100;

function headingOf({ platform, layer, instruction = "", field }: Difference): string {
  const isOfManifest = field.startsWith("annotations") || field === "bytes of the manifest";
  const place = layer === undefined ? (isOfManifest ? "manifest" : "config") : `layer ${layer}`;
  return `${platform} ${place}  ${cut(printable(instruction), INSTRUCTION_COLUMNS)}`.trimEnd();
}

const MARKS = { added: "A", changed: "C", deleted: "D" } as const;

function lineOf({ kind, path, field, before, after }: Difference): string {
  const shownValue = (value: unknown): string =>
    printable(typeof value === "string" ? value : (JSON.stringify(value) ?? "-"));
  const values =
    kind === "changed"
      ? `${shownValue(before)} -> ${shownValue(after)}`
      : shownValue((kind === "added" ? after : before) ?? "");
  return `  ${MARKS[kind]} ${path === undefined ? "" : `${printableName(path)}  `}${field} ${values}`.trimEnd() + "\n";
}

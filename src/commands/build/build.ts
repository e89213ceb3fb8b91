// `tsbuild build`: flags to a request, the request to the engine, its events to a display, its result to files.

import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { WarningEvent } from "../../../builder/core/events.ts";
import type { BuildResult } from "../../../builder/request.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import { BUILD_FLAGS } from "../../cli/flags/build-flags.ts";
import type { CallSpec } from "../../cli/values/call-spec.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";
import type { ProgressMode } from "../../progress/display.ts";
import { PROGRESS_MODES } from "../../progress/display.ts";
import { builderAt } from "./builder-at.ts";
import type { AboutBuild } from "./about.ts";
import type { Outputs } from "./outputs.ts";
import { readOutputs } from "./outputs.ts";
import { readRequest } from "./request.ts";
import { failureMetadata, imageIdOf, metadata, resultLines, writeWhole } from "./result.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";
import type { ShownEvents } from "../shown-events.ts";
import { closeFailed, closeShown, keepNotes, showEvents } from "../shown-events.ts";

const USAGE = `Usage:  tsbuild [build] [OPTIONS] PATH | URL | -

Builds an image from a Dockerfile.`;

/** The command. Nothing is begun before all of its flags are understood. */
export const build: Command = async (context) => {
  const { environment } = context;
  const args = await readArguments(context, BUILD_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [path = ""] = exactly(args, 1, "build", "PATH, URL or -");
  const mode = progressMode(args, environment);
  const onError = textOf(args, "on-error") === undefined ? undefined : await import("./on-error.ts");
  const isShellWanted = onError?.wantsShell(args) === true;
  const outputs = await readOutputs(args, {
    isTerminal: process.stdout.isTTY,
    write: context.print,
  });
  if (textOf(args, "iidfile") !== undefined && !makesImage(outputs)) {
    throw new BuildError("USAGE", "--iidfile needs an output that is an image");
  }
  const builder = await builderAt(args, environment);
  const asked = await askedCall(args);
  const about = await aboutBuild(args);
  for (const note of args.notes) if (mode !== "rawjson" && mode !== "none") process.stderr.write(`WARNING: ${note}\n`);

  const warnings: WarningEvent[] = [];
  const shown = await showEvents(context, mode, (event) => {
    if (event.kind === "warning") warnings.push(event);
  });
  const { display, events, repeatable } = shown;
  let remembered: string | undefined;
  const shellOnError = isShellWanted ? onError?.errorShell(context, shown) : undefined;
  try {
    const { openStdin } = await import("../stdin.ts");
    const request = await readRequest({
      args,
      context: path,
      root: rootOf(context, args),
      outputs,
      environment,
      openStdin: (what) => openStdin(what, repeatable),
      events: events.sink,
      shellOnError,
      dryRun: about?.dryRun !== undefined,
      onRemembered: (id) => (remembered = id),
    });
    if (asked !== undefined) {
      const { answerCall } = await import("./call.ts");
      return await answerCall({
        context,
        args,
        asked,
        request,
        events,
        display,
        builder,
      });
    }
    const result = await builder.build(request, context.signal);
    closeShown(shown);
    if (result.plan !== undefined) {
      await about?.tellPlan(context, result.plan);
      return 0;
    }
    if (remembered !== undefined) await about?.tell(context, remembered);
    await report(context, args, result, warnings, mode === "quiet", outputs.usesStdout);
    return 0;
  } catch (error) {
    keepNotes(shown, error);
    const failure = asBuildError(error);
    if (isShellWanted && shellOnError === undefined) onError?.tellNoTerminal(shown, failure);
    await reportFailure(context, args, failure, shown);
    if (remembered !== undefined) await about?.tellFailed(context, remembered);
    throw error;
  }
};

async function report(
  context: CommandContext,
  args: Arguments,
  result: BuildResult,
  warnings: readonly WarningEvent[],
  quiet: boolean,
  stdoutIsTaken: boolean,
): Promise<void> {
  const id = imageIdOf(result);
  const idFile = textOf(args, "iidfile");
  const metadataFile = textOf(args, "metadata-file");
  if (idFile && id !== undefined) await writeWhole(idFile, id);
  if (metadataFile) {
    const { vertexWarning } = await import("../../progress/rawjson.ts");
    const isAsked = readBoolean(context.environment["BUILDX_METADATA_WARNINGS"] ?? "") === true;
    const told = isAsked ? warnings.map(vertexWarning) : [];
    await writeWhole(metadataFile, `${JSON.stringify(metadata(result, told), null, 2)}\n`);
  }
  if (stdoutIsTaken) return;
  const text = quiet ? (id === undefined ? "" : `${id}\n`) : resultLines(result);
  if (text !== "") await context.print(text);
}

async function reportFailure(
  context: CommandContext,
  args: Arguments,
  error: BuildError,
  shown: ShownEvents,
): Promise<void> {
  closeFailed(context, shown, error);
  const metadataFile = textOf(args, "metadata-file");
  // What failed is what counts, not that it could not be written down as well.
  if (metadataFile)
    await writeWhole(metadataFile, `${JSON.stringify(failureMetadata(error), null, 2)}\n`).catch(() => undefined);
}

/** What is to be said of the build itself. */
async function aboutBuild(args: Arguments): Promise<AboutBuild | undefined> {
  if (!["dry-run", "explain", "report"].some((name) => textOf(args, name) !== undefined)) return undefined;
  const { readAbout } = await import("./about.ts");
  return readAbout(args);
}

async function askedCall(args: Arguments): Promise<CallSpec | undefined> {
  if (!["call", "print", "check"].some((name) => textOf(args, name) !== undefined)) return undefined;
  const { readCall } = await import("./call.ts");
  return readCall(args);
}

/** `--progress`, `--quiet` and BUILDKIT_PROGRESS. Throws `USAGE`. */
export function progressMode(args: Arguments, environment: Environment): ProgressMode {
  const text = textOf(args, "progress") ?? (environment["BUILDKIT_PROGRESS"] || "auto");
  const mode = PROGRESS_MODES.find((candidate) => candidate === text);
  if (mode === undefined)
    throw new BuildError("USAGE", `invalid progress mode "${text}"`, {
      hint: `modes are ${PROGRESS_MODES.join(", ")}`,
    });
  if (isOn(args, "quiet")) {
    if (textOf(args, "progress") !== undefined && mode !== "auto" && mode !== "quiet") {
      throw new BuildError("USAGE", `progress=${mode} and quiet cannot be used together`);
    }
    return "quiet";
  }
  // Such a terminal cannot be painted over.
  if (mode === "auto" && environment["TERM"] === "dumb") return "plain";
  if (mode === "tty" && !process.stderr.isTTY)
    throw new BuildError("USAGE", "--progress=tty: standard error is not a terminal");
  return mode;
}

function makesImage({ exports }: Outputs): boolean {
  return exports.some((spec) => "image" in spec);
}

// `tsbuild build --call` and `--check`: what is asked of a Dockerfile instead of building it, laid out as buildx does.

import type { CallResult } from "../../../builder/call.ts";
import type { BuildRequest } from "../../../builder/request.ts";
import type { CallSpec } from "../../cli/values/call-spec.ts";
import { parseCall } from "../../cli/values/call-spec.ts";
import { errorText } from "../../cli/error-text.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import type { Display } from "../../progress/display.ts";
import type { HeldEvents } from "../../progress/held-events.ts";
import type { BuilderAt } from "./builder-at.ts";
import { writeWhole } from "./result.ts";
import type { CommandContext } from "../command.ts";

/** What `--call`, `--check` and the old `--print` ask for; undefined for a build. Throws `USAGE`. */
export function readCall(args: Arguments): CallSpec | undefined {
  const written = textOf(args, "call") ?? textOf(args, "print") ?? "";
  const asked = parseCall(written);
  if (!isOn(args, "check") || asked?.method === "check") return asked;
  return { method: "check", format: "text", ignoreStatus: false };
}

export interface CallOptions {
  readonly context: CommandContext;
  readonly args: Arguments;
  readonly asked: CallSpec;
  readonly request: BuildRequest;
  readonly events: HeldEvents;
  readonly display: Display;
  readonly builder: BuilderAt;
}

/** Asks, prints the answer, and returns the exit code: 1 when a rule fires or the file cannot be built. */
export async function answerCall({
  context,
  args,
  asked,
  request,
  events,
  display,
  builder,
}: CallOptions): Promise<number> {
  const result = await builder.call(request, asked.method, context.signal);
  events.release();
  display.close(result.error);
  const metadataFile = textOf(args, "metadata-file");
  if (metadataFile) await writeWhole(metadataFile, `${JSON.stringify(metadata(result, asked), null, 2)}\n`);
  await context.print(shownAnswer(result, asked));
  if (result.error !== undefined) {
    if (!display.tellsErrors) process.stderr.write(errorText(result.error, context.outcome.debug));
    return 1;
  }
  return result.findings > 0 && !asked.ignoreStatus ? 1 : 0;
}

/** The answer as `--call` writes it. */
export function shownAnswer(result: CallResult, { method, format }: CallSpec): string {
  if (format === "json") return `${result.json}\n`;
  return method === "check" && format === "text" ? checkText(result) : result.text;
}

/** The findings under a line that counts them. */
function checkText({ text, findings, error }: CallResult): string {
  if (findings === 0) return error === undefined ? "Check complete, no warnings found.\n" : "";
  const count = findings === 1 ? "1 warning has been found!" : `${findings} warnings have been found!`;
  return `Check complete, ${count}\n${text}${error === undefined ? "" : "\n"}`;
}

/** With the names under which BuildKit's frontend answers. */
function metadata({ json, text, findings, error }: CallResult, { method }: CallSpec): object {
  const status = findings > 0 || error !== undefined ? "1" : "0";
  return {
    "result.json": JSON.parse(json) as unknown,
    ...(method === "check" ? { "result.statuscode": status } : {}),
    "result.txt": text,
    version: "1.0.0",
  };
}

// `bake --check` and `--call`: questions about the Dockerfiles of several targets.

import type { CallResult } from "../../../builder/call.ts";
import type { BuildRequest } from "../../../builder/request.ts";
import { goJson } from "../../bake/go-json.ts";
import type { Selection } from "../../bake/resolve.ts";
import type { Target } from "../../bake/target.ts";
import { printTarget } from "../../bake/target.ts";
import { isLink } from "../../bake/words.ts";
import type { CallSpec } from "../../cli/values/call-spec.ts";
import { parseCall } from "../../cli/values/call-spec.ts";
import { errorText } from "../../cli/error-text.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import type { TargetBuild } from "./request.ts";
import type { BuilderAt } from "../build/builder-at.ts";
import { shownAnswer } from "../build/call.ts";
import type { CommandContext } from "../command.ts";
import type { ShownEvents } from "../shown-events.ts";
import { closeShown } from "../shown-events.ts";

export interface BakeCall {
  readonly context: CommandContext;
  readonly args: Arguments;
  readonly selection: Selection;
  readonly builds: readonly TargetBuild[];
  readonly shown: ShownEvents;
  readonly builder: BuilderAt;
}

/** Asks of each target, prints the answers, and returns the exit code: 1 when a rule fires anywhere. */
export async function callTargets({ context, args, selection, builds, shown, builder }: BakeCall): Promise<number> {
  const flag = parseCall(isOn(args, "check") ? "check" : (textOf(args, "call") ?? ""));
  const answers: {
    readonly name: string;
    readonly asked: CallSpec;
    readonly result: CallResult;
  }[] = [];
  for (const { name, target, request } of builds.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const asked = flag ?? parseCall(target.call ?? "");
    if (asked === undefined || selection.linked.has(name)) continue;
    answers.push({
      name,
      asked,
      result: await builder.call(withoutLinks(request, target), asked.method, context.signal),
    });
  }
  closeShown(shown);
  if (flag?.format === "json") await context.print(jsonText(selection, answers));
  else {
    for (const [at, { name, asked, result }] of answers.entries()) {
      const description = selection.targets.get(name)?.description;
      const head = `${at === 0 ? "" : "\n"}${name}\n${description ? `${description}\n` : ""}\n`;
      await context.print(head + shownAnswer(result, asked));
      if (result.error !== undefined) process.stderr.write(errorText(result.error, context.outcome.debug));
    }
  }
  const failed = answers.some(
    ({ asked, result }) => result.error !== undefined || (result.findings > 0 && !asked.ignoreStatus),
  );
  return failed ? 1 : 0;
}

/** A target that this one is built on is not built for a question: nothing stands for it. */
function withoutLinks(request: BuildRequest, target: Target): BuildRequest {
  const nothing = { kind: "image", reference: "scratch" } as const;
  const links = new Set([...(target.contexts ?? [])].flatMap(([name, value]) => (isLink(value) ? [name] : [])));
  const namedContexts = [...request.namedContexts].map(
    ([name, context]) => [name, links.has(name) ? nothing : context] as const,
  );
  return { ...request, namedContexts: new Map(namedContexts) };
}

function jsonText(
  { groups, targets }: Selection,
  answers: readonly { name: string; asked: CallSpec; result: CallResult }[],
): string {
  const group = Object.fromEntries([...groups].map(([name, { targets: inner }]) => [name, { targets: inner }]));
  const target = Object.fromEntries(
    [...targets].map(([name, each]) => {
      const answer = answers.find((one) => one.name === name);
      const said =
        answer === undefined
          ? {}
          : {
              [answer.asked.method]: JSON.parse(answer.result.json) as unknown,
            };
      return [name, { build: printTarget(each), ...said }];
    }),
  );
  return `${goJson({ group, target })}\n`;
}

// `tsbuild shell`: a shell in a step of a build that has ended.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ListedBuild, OpenedShell } from "../../../builder/shell-request.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseSecret } from "../../cli/values/secret-spec.ts";
import { SHELL_FLAGS } from "../../cli/flags/shell-flags.ts";
import { parseSsh } from "../../cli/values/ssh-spec.ts";
import { localSession } from "../../config/session.ts";
import { definedOnly, snapshotter } from "../build/request.ts";
import type { Command } from "../command.ts";
import { readArguments, rootOf } from "../command.ts";
import { sandbox } from "../sandbox.ts";

const USAGE = `Usage:  tsbuild shell [OPTIONS] [BUILD[:STEP]]
        tsbuild shell --list [BUILD]

Opens a shell in a step of a build that has ended: in its files, with its environment, its user and its mounts. Without
BUILD it is the last one; without STEP the one that failed, as it was when it failed, else the last. STEP is its number in
the list, or what stands in the brackets of its name. What is changed is gone when the shell ends, but for cache mounts.`;

/** The command; its exit code is the shell's. */
export const shell: Command = async (context) => {
  const { environment } = context;
  const args = await readArguments(context, SHELL_FLAGS, USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length > 1)
    throw new BuildError("USAGE", `"tsbuild shell" takes one BUILD[:STEP], not ${args.positionals.length} arguments`);
  const [name] = args.positionals;
  const colon = name?.indexOf(":") ?? -1;
  const [build, step] =
    name === undefined || colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
  const root = rootOf(context, args);
  const engine = await import("../../../builder/shell.ts");
  if (isOn(args, "list")) {
    if (step !== undefined) throw new BuildError("USAGE", "--list takes a build, without a step");
    const builds = engine.listBuilds(root, build);
    await context.print(build === undefined ? buildsText(builds) : builds.map(stepsText).join(""));
    return 0;
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new BuildError("USAGE", "tsbuild shell needs a terminal: standard input or output is none", {
      hint: "tsbuild shell --list lists the steps",
    });
  }
  const result = await engine.openShell(
    {
      root,
      build: build === "" ? undefined : build,
      step,
      terminal: environment["TERM"] || "xterm",
      session: await localSession({
        secrets: listOf(args, "secret").map(parseSecret),
        ssh: listOf(args, "ssh").map(parseSsh),
        environment,
        credentials: async () => undefined,
      }),
      environment: definedOnly(environment),
      requireSandbox: sandbox(textOf(args, "require-sandbox")),
      snapshotter: snapshotter(textOf(args, "snapshotter")),
      ready: (opened) => void process.stderr.write(introduction(opened)),
    },
    context.signal,
  );
  return result.exitCode;
};

function introduction({ build, step, failed, notes }: OpenedShell): string {
  const what = failed ? "as it was when it failed" : "as it was when it was done";
  return `${build} ${step}\n${what}; what you change is gone when you leave\n${notes.map((note) => `${note}\n`).join("")}`;
}

/** One line a build. */
function buildsText(builds: readonly ListedBuild[]): string {
  const rows = builds.map(({ id, endedMs, failure, kept, what }) => [
    id,
    new Date(endedMs).toISOString().slice(0, 19).replace("T", " "),
    failure === undefined ? "done" : kept ? "failed, kept" : "failed",
    what,
  ]);
  const table = [["BUILD", "ENDED (UTC)", "RESULT", "OF"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)) + 3);
  return table
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}

/** One line a step, with the number that names it. */
function stepsText({ id, steps, failure, kept }: ListedBuild): string {
  const width = String(steps.length).length;
  const lines = steps.map(({ number, name, failed }) => {
    const mark = failed ? (kept ? "failed, kept" : "failed") : "";
    return `${id}:${String(number).padEnd(width)}  ${mark.padEnd(failure === undefined ? 0 : 14)}${name}\n`;
  });
  return `${lines.join("")}${failure === undefined ? "" : `failed: ${failure}\n`}`;
}

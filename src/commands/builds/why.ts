// `tsbuild why`: why the steps of a build ran.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { GLOBAL_FLAGS } from "../../cli/flags/global-flags.ts";
import type { Command } from "../command.ts";
import { readArguments, rootOf } from "../command.ts";

// prettier-ignore
const WHY_FLAGS: readonly Flag[] = [
  { name: "all", short: "a", kind: "boolean", state: "works", help: "Also steps that came from the cache" },
  { name: "json", kind: "boolean", state: "works", help: "JSON, with everything that differed" },
  ...GLOBAL_FLAGS,
];

const USAGE = `Usage:  tsbuild why [OPTIONS] [BUILD [STEP]]

Says of each step that a build ran what was not as in the nearest earlier build: a file, a variable, an option, the
command, the base image, or the step below. Without BUILD it is the last build; STEP is what stands in the brackets of
the step's name, or its number in \`tsbuild shell --list\`.`;

/** The command. */
export const why: Command = async (context) => {
  const args = await readArguments(context, WHY_FLAGS, USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length > 2)
    throw new BuildError("USAGE", "one build, and one step of it", { hint: "See 'tsbuild why --help'." });
  const [build, step] = args.positionals;
  const { whyOfBuild } = await import("../../../builder/why.ts");
  const reasons = await whyOfBuild(rootOf(context, args), build, step);
  if (isOn(args, "json")) {
    await context.print(`${JSON.stringify(reasons, null, 2)}\n`);
    return 0;
  }
  const { whyText } = await import("./why-text.ts");
  const isLong = step !== undefined;
  await context.print(whyText(reasons, { isWhole: isLong || isOn(args, "all"), isLong }));
  return 0;
};

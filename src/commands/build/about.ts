// `tsbuild build --explain`, `--report` and `--dry-run`: what is said of the build itself, after it or instead of it.

import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { BuildReasons } from "../../../builder/why.ts";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import type { CommandContext } from "../command.ts";
import { rootOf } from "../command.ts";
import { whyText } from "../builds/why-text.ts";

type Form = "text" | "json";

/** What was asked for. */
export interface AboutBuild {
  readonly dryRun: Form | undefined;
  /** After the build that is remembered under an id: on standard error, and to the report's file. */
  tell(context: CommandContext, build: string): Promise<void>;
  /** The same after one that failed: what failed is what counts, not that nothing could be told of it. */
  tellFailed(context: CommandContext, build: string): Promise<void>;
  /** Instead of a build, on standard output. */
  tellPlan(context: CommandContext, plan: BuildReasons): Promise<void>;
}

/** Reads the flags. Throws `USAGE`. */
export function readAbout(args: Arguments): AboutBuild {
  const [dryRun, explain] = [formOf(args, "dry-run"), formOf(args, "explain")];
  const report = textOf(args, "report") || undefined;
  const tell = async (context: CommandContext, build: string): Promise<void> => {
    const root = rootOf(context, args);
    if (explain !== undefined) {
      const { whyOfBuild } = await import("../../../builder/why.ts");
      process.stderr.write(reasonsText(await whyOfBuild(root, build), explain));
    }
    if (report === undefined) return;
    const { writeReport } = await import("./report.ts");
    await writeReport(root, build, report, context.print);
  };
  return {
    dryRun,
    tell,
    async tellFailed(context, build) {
      try {
        await tell(context, build);
      } catch (error) {
        process.stderr.write(`WARNING: ${asBuildError(error).message}\n`);
      }
    },
    async tellPlan(context, plan) {
      const isNothing = plan.steps.every(({ outcome }) => outcome === "would-be-cached" || outcome === "not-run");
      const text = isNothing && dryRun !== "json" ? "nothing would run: every step is known\n" : undefined;
      await context.print(text ?? reasonsText(plan, dryRun ?? "text"));
    },
  };
}

function formOf(args: Arguments, flag: string): Form | undefined {
  const text = textOf(args, flag);
  if (text === undefined || text === "false") return undefined;
  if (text === "text" || text === "true") return "text";
  if (text === "json") return "json";
  throw new BuildError("USAGE", `--${flag}: "${text}" is neither text nor json`);
}

function reasonsText(reasons: BuildReasons, form: Form): string {
  return form === "json" ? `${JSON.stringify(reasons)}\n` : whyText(reasons, { isWhole: false, isLong: false });
}

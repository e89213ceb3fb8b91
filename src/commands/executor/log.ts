// The log of a job, as its flags want it; the warmer's too.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { JobLog, LOG_FORMATS, LOG_LEVELS } from "../../progress/job-log.ts";
import type { CommandContext } from "../command.ts";

/** Throws `USAGE`. */
export function openJobLog(args: Arguments, { outcome }: CommandContext): JobLog {
  const choose = <T extends string>(flag: string, choices: readonly T[], otherwise: T): T => {
    const text = textOf(args, flag) || otherwise;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new BuildError("USAGE", `--${flag}: "${text}" is none of ${choices.join(", ")}`);
    return found;
  };
  const level = choose("verbosity", LOG_LEVELS, "info");
  outcome.debug ||= level === "debug" || level === "trace";
  return new JobLog({
    format: choose("log-format", LOG_FORMATS, "color"),
    level,
    timestamp: isOn(args, "log-timestamp"),
    now: Date.now,
    write: (text) => void process.stderr.write(text),
    output: (stream, data) => void (stream === 1 ? process.stdout : process.stderr).write(data),
  });
}

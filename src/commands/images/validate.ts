// `tsbuild validate`: everything that must hold of an image, read and hashed.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ImageCheck } from "../../../builder/validate.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import { printable } from "../../cli/printable.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { placesOf, platformArgument } from "./image-arguments.ts";

// prettier-ignore
export const VALIDATE_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "As one JSON object" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Only what failed" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild validate [OPTIONS] IMAGE

Checks everything that must hold of an image: digests and sizes of all blobs, diff_ids, the image-spec's schemas, and that
its parts agree; of an index all platforms, or that of --platform. The exit code is 65 when something does not hold.

${IMAGE_NAMES}`;

/** Checks are printed as they are done. */
export const validate: Command = async (context) => {
  const args = await readArguments(context, VALIDATE_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [name = ""] = exactly(args, 1, "validate", "IMAGE");
  const [isJson, isQuiet] = [isOn(args, "json"), isOn(args, "quiet")];
  if (isJson && isQuiet) throw new BuildError("USAGE", "--json and --quiet exclude each other");
  const { openPlace } = await import("../../../builder/open-image.ts");
  const { validateAll } = await import("../../../builder/validate.ts");
  const { source } = await openPlace(name, await placesOf(context, args, [name]), context.signal);
  const checks: ImageCheck[] = [];
  try {
    for await (const check of validateAll(source, platformArgument(args), context.signal)) {
      checks.push(check);
      if (!isJson && !(isQuiet && check.result !== "failed")) await context.print(checkText(check));
    }
  } finally {
    await source[Symbol.asyncDispose]();
  }
  const failed = checks.filter(({ result }) => result === "failed").length;
  const summary = failed === 0 ? `${checks.length} checks, all ok` : `${failed} of ${checks.length} checks failed`;
  if (isJson) await context.print(`${JSON.stringify({ name, valid: failed === 0, checks }, undefined, 2)}\n`);
  else if (!isQuiet) await context.print(`${summary}\n`);
  return failed === 0 ? 0 : DOES_NOT_HOLD;
};

/** An image that is not what it says: as sysexits' EX_DATAERR. */
const DOES_NOT_HOLD = 65;

function checkText({ subject, rule, result, detail }: ImageCheck): string {
  const more = detail === undefined ? "" : `: ${detail}`;
  return `${result.padEnd(8)}${printable(`${subject}: ${rule}${more}`)}\n`;
}

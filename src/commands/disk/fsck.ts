// `tsbuild fsck`: what is wrong with the store.

import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { GLOBAL_FLAGS } from "../../cli/flags/global-flags.ts";
import { printable } from "../../cli/printable.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";

// prettier-ignore
const FSCK_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "One JSON object a fault and line" },
  { name: "quick", kind: "boolean", state: "works", help: "Do not read the bytes of blobs" },
  { name: "repair", kind: "boolean", state: "works", help: "Mend what is found; else it is only said what would be done" },
  ...GLOBAL_FLAGS,
];

const USAGE = `Usage:  tsbuild fsck [OPTIONS]

Looks for damage in the local store: blobs, layers, images, records, what killed processes left.
Exit code 0 when nothing is wrong, 1 when all that was is mended, 4 when something is left.`;

/** As fsck(8) has them. */
const [MENDED, LEFT] = [1, 4];

/** The command. */
export const fsck: Command = async (context) => {
  const args = await readArguments(context, FSCK_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "fsck", "none");
  const repair = isOn(args, "repair");
  const engine = await import("../../../builder/fsck.ts");
  const request = { root: rootOf(context, args), repair, full: !isOn(args, "quick") };
  const faults = await engine.fsck(request, context.signal);
  const left = faults.filter(({ isMended }) => !isMended).length;
  if (isOn(args, "json")) await context.print(faults.map((fault) => `${JSON.stringify(fault)}\n`).join(""));
  else {
    const lines = faults.map(({ what, mend, isMended }) => {
      const did = isMended
        ? mend
        : repair
          ? "not mended: it is in use, or belongs to somebody else"
          : `--repair: ${mend}`;
      return `${printable(what)}: ${did}\n`;
    });
    await context.print(`${lines.join("")}${summary(faults.length, left)}\n`);
  }
  return faults.length === 0 ? 0 : left === 0 ? MENDED : LEFT;
};

function summary(found: number, left: number): string {
  if (found === 0) return "The store is in order.";
  return `${found} ${found === 1 ? "fault" : "faults"}, ${found - left} mended.`;
}

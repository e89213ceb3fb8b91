// `tsbuild prune`: build cache goes. Images with a name never do.

import { BuildError } from "../../../builder/core/errors.ts";
import type { DiskItem } from "../../../builder/disk-usage.ts";
import { PRUNE_FLAGS } from "../../cli/flags/disk-flags.ts";
import { parseDiskFilters } from "../../cli/values/disk-filter.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { humanSize } from "../../cli/human.ts";
import { parseSize } from "../../cli/values/sizes.ts";
import { hostOf } from "../build/builder-at.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";
import { itemDetails, itemTable } from "./text.ts";

const USAGE = `Usage:  tsbuild prune [OPTIONS]

Removes build cache that nobody uses. Images with a name stay; tsbuild rmi takes names away.`;

/** The command. */
export const prune: Command = async (context) => {
  const args = await readArguments(context, PRUNE_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "prune", "none");
  const { keepMs, filters } = parseDiskFilters(listOf(args, "filter"));
  const all = isOn(args, "all");
  const amounts = {
    reserved: { bytes: reserved(args) },
    maxUsed: { bytes: amount(args, "max-used-space") },
    minFree: { bytes: amount(args, "min-free-space") },
  };
  if (!isOn(args, "force") && !(await isConfirmed(context, all))) return 0;
  const host = await hostOf(args, context.environment);
  if (host !== undefined) {
    const { remotePrune } = await import("../../client/disk.ts");
    const bytes = {
      reservedBytes: amounts.reserved.bytes,
      maxUsedBytes: amounts.maxUsed.bytes,
    };
    const asked = {
      all,
      filters,
      keepMs,
      ...bytes,
      minFreeBytes: amounts.minFree.bytes,
    };
    const gone = await remotePrune(host, asked, context.signal);
    await context.print(
      removedText(
        gone,
        isOn(args, "verbose"),
        gone.reduce((sum, item) => sum + item.bytes, 0),
      ),
    );
    return 0;
  }
  const removed: DiskItem[] = [];
  const engine = await import("../../../builder/disk-usage.ts");
  const freed = await engine.prune(
    {
      root: rootOf(context, args),
      all,
      filters,
      keepMs,
      ...amounts,
      onRemoved: (item) => void removed.push(item),
    },
    context.signal,
  );
  await context.print(removedText(removed, isOn(args, "verbose"), freed));
  return 0;
};

function removedText(removed: readonly DiskItem[], verbose: boolean, freedBytes: number): string {
  const now = Date.now();
  const list = verbose ? itemDetails(removed, now) : removed.length === 0 ? "" : itemTable(removed, now);
  return `${list}Total:  ${humanSize(freedBytes)}\n`;
}

/** buildx's question and its default. */
async function isConfirmed({ signal, environment }: CommandContext, all: boolean): Promise<boolean> {
  // Asked before this program was started once more inside a namespace.
  if (environment[CONFIRMED] === "1") return true;
  const what = all ? "all build cache" : "all dangling build cache";
  if (!process.stdin.isTTY) {
    throw new BuildError("USAGE", `this would remove ${what}, and nobody can be asked: there is no terminal`, {
      hint: "--force does not ask",
    });
  }
  const { ask } = await import("../prompt.ts");
  const question = `WARNING! This will remove ${what}. Are you sure you want to continue? [y/N] `;
  const answer = await ask(question, { input: process.stdin, output: process.stderr }, { signal });
  if (!/^y(?:es)?$/i.test(answer.trim())) return false;
  process.env[CONFIRMED] = "1";
  return true;
}

const CONFIRMED = "TSBUILD_PRUNE_CONFIRMED";

function reserved(args: Arguments): number {
  const [old, now] = [amount(args, "keep-storage"), amount(args, "reserved-space")];
  if (old !== 0 && now !== 0) {
    throw new BuildError("USAGE", "--keep-storage is the old name of --reserved-space: give one of them");
  }
  return old || now;
}

/** Bytes; 0 where the flag was not given. */
function amount(args: Arguments, name: string): number {
  const text = textOf(args, name);
  return text === undefined ? 0 : parseSize(text, `--${name}`);
}

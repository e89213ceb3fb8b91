// `tsbuild load`: the images of an archive or a folder into the local store.

import { resolve } from "node:path";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { LoadResult } from "../../../builder/load.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { LOAD_FLAGS } from "../../cli/flags/transfer-flags.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { openStdin } from "../stdin.ts";
import { platformFlag, resultJson, resultText, transferRequest, underDisplay } from "./transfer.ts";

const USAGE = `Usage:  tsbuild load [OPTIONS]

Loads images from an archive (docker save, podman save, skopeo; compressed or not) or from a folder (an OCI layout, or
what skopeo's dir: writes) into the local store.`;

/** The command. */
export const load: Command = async (context) => {
  const args = await readArguments(context, LOAD_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "load", "none");
  const path = textOf(args, "input");
  const input =
    path === undefined || path === "-"
      ? ({ kind: "stream", open: openStdin("an image archive", false) } as const)
      : ({ kind: "path", path: resolve(path) } as const);
  const results = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/load.ts");
    const transfer = transferRequest(context, args, events);
    const wishes = { input, names: listOf(args, "tag"), platform: platformFlag(args) };
    return await engine.load({ ...transfer, ...wishes }, context.signal);
  });
  for (const result of results) await tell(context, args, result);
  return 0;
};

async function tell({ print }: CommandContext, args: Arguments, result: LoadResult): Promise<void> {
  const { names, images, top } = result;
  if (isOn(args, "json")) return await print(resultJson(result, { names }));
  const id = images.length === 1 ? images[0]?.imageId : top.digest;
  const loaded =
    names.length === 0
      ? [`Loaded image ID: ${id}\n`]
      : names.map((name) => `Loaded image: ${familiarReference(parseReference(name))}\n`);
  await print(`${isOn(args, "quiet") ? "" : resultText(result)}${loaded.join("")}`);
}

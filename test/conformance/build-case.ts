// One build in this process, from the flags of `docker build` to the outcome: what the command does, without its texts.

import path from "node:path";
import process from "node:process";

import { build } from "../../builder/build.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { EventSink } from "../../builder/core/events.ts";
import { BUILD_FLAGS } from "../../src/cli/flags/build-flags.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { readOutputs } from "../../src/commands/build/outputs.ts";
import { readRequest } from "../../src/commands/build/request.ts";

export interface Asked {
  readonly flags: readonly string[];
  /** A folder or a URL. */
  readonly context: string;
  /** Variables beside PATH. */
  readonly environment: Readonly<Record<string, string>>;
  readonly root: string;
  readonly events?: EventSink;
}

/** Undefined when it built; else what the builder says failed. Throws what is no message for a person. */
export async function buildCase({
  flags,
  context,
  environment,
  root,
  events = () => {},
}: Asked): Promise<string | undefined> {
  const args = parseArguments(BUILD_FLAGS, flags);
  const noStream = (): never => {
    throw new Error("a case has neither standard input nor output");
  };
  try {
    const request = await readRequest({
      args,
      context,
      root,
      outputs: await readOutputs(args, { isTerminal: false, write: noStream }),
      environment: { PATH: process.env["PATH"], HOME: path.dirname(root), ...environment },
      openStdin: noStream,
      events,
    });
    await build(request, new AbortController().signal);
    return undefined;
  } catch (error) {
    if (error instanceof BuildError && error.code !== "INTERNAL" && error.message !== "") return error.message;
    throw error;
  }
}

// SOURCE_DATE_EPOCH: a build arg, or an ARG before the first FROM.

import { BuildError } from "../../core/errors.ts";
import { dropVariable, setVariable } from "./env.ts";
import type { Variables } from "./env.ts";
import type { Tree } from "./stage.ts";

const NAME = "SOURCE_DATE_EPOCH";

interface Epoch {
  readonly seconds: number | undefined;
  /** With the number that the value stands for. */
  readonly buildArgs: Variables;
  readonly globalArgs: Variables;
}

/** Reads the epoch. "context" stands for the time of the main context; a local one has none. */
export async function readEpoch(
  buildArgs: Variables,
  globalArgs: Variables,
  mainContext: () => Promise<Tree>,
): Promise<Epoch> {
  const text = buildArgs.get(NAME) ?? globalArgs.get(NAME) ?? "";
  const seconds = text === "" ? undefined : await secondsOf(text, mainContext);
  return { seconds, buildArgs: update(buildArgs, seconds), globalArgs: update(globalArgs, seconds) };
}

async function secondsOf(text: string, mainContext: () => Promise<Tree>): Promise<number | undefined> {
  const seconds = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  if (text === "context" && (await mainContext()).isClient) return undefined;
  throw new BuildError("DOCKERFILE", `invalid SOURCE_DATE_EPOCH: ${text}`, {
    hint: "give a number of seconds since 1970",
  });
}

function update(variables: Variables, seconds: number | undefined): Variables {
  if (!variables.has(NAME)) return variables;
  return seconds === undefined ? dropVariable(variables, NAME) : setVariable(variables, NAME, String(seconds));
}

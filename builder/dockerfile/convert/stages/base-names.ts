// Which images a Dockerfile begins stages with or copies from, without looking at any of them.

import type { Platform } from "../../../core/image/platform.ts";
import type { Dockerfile } from "../../instruction.ts";
import { checkBaseNames } from "./bases.ts";
import { beginConversion } from "../convert.ts";
import { linkStages } from "./dependencies.ts";
import { addStages, SCRATCH } from "./from.ts";
import type { ConvertOptions, ConvertWorld } from "../plan.ts";

/** An image by the name that the file has for it, for the platform that it wants. */
export interface BaseName {
  readonly name: string;
  readonly platform: Platform;
}

/** The images of all stages, each once. Throws `DOCKERFILE` with the place of what is wrong. */
export async function baseNames(
  dockerfile: Dockerfile,
  options: ConvertOptions,
  signal: AbortSignal,
): Promise<readonly BaseName[]> {
  const conversion = await beginConversion(dockerfile, options, NOWHERE, signal);
  const { stages, faults } = conversion;
  addStages(conversion);
  faults.throwIfAny();
  linkStages(conversion);
  faults.throwIfAny();
  const outside = stages.all.filter(({ base, baseName }) => base === undefined && baseName !== SCRATCH);
  checkBaseNames(outside);
  const found = new Map(
    outside.map(({ baseName: name, platform = options.targetPlatform }) => [
      JSON.stringify([name, platform]),
      { name, platform },
    ]),
  );
  return [...found.values()];
}

/** Nothing is looked up. */
const NOWHERE: ConvertWorld = {
  hasNamedContext: () => false,
  namedContext: () => Promise.resolve(undefined),
  mainContext: () => Promise.resolve({ kind: "scratch" }),
  sourceSeconds: () => Promise.resolve(undefined),
  resolveImage: (name) => Promise.reject(new Error(`the image "${name}" was looked up`)),
};

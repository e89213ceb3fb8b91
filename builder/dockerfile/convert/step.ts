// What is said of a step besides its op: its name, its place, whether it must run anew.

import type { VertexOptions } from "../../graph/vertex.ts";
import type { EnvLookup } from "../expand.ts";
import type { Conversion } from "./conversion.ts";
import { locate } from "./conversion.ts";
import { nextStepPrefix, upperFirstWord } from "./names.ts";
import type { Command, Stage } from "./stages/stage.ts";
import { expandForDisplay } from "./variables/words.ts";

/** A step's options, and its name in parts for what is derived from it. */
export interface Step {
  readonly options: VertexOptions;
  readonly prefix: string;
  readonly text: string;
}

/** Counts and names a step of COPY, ADD or WORKDIR. */
export function fileStep(conversion: Conversion, stage: Stage, command: Command): Step {
  const text = expandForDisplay(conversion, command.instruction.original.trim(), stage.variables, false);
  // BuildKit runs a WORKDIR from its cache even with --no-cache.
  return step(conversion, stage, command, text, stage.ignoreCache && command.instruction.kind !== "workdir");
}

/** Counts and names a RUN; `text` is what it runs, `variables` what may be shown. */
export function runStep(
  conversion: Conversion,
  stage: Stage,
  command: Command,
  text: string,
  variables: EnvLookup,
): Step {
  const ignoreCache = stage.ignoreCache || conversion.options.noCacheForRuns === true;
  return step(conversion, stage, command, expandForDisplay(conversion, text, variables, true), ignoreCache);
}

function step(conversion: Conversion, stage: Stage, command: Command, shown: string, ignoreCache: boolean): Step {
  const text = upperFirstWord(shown);
  const platform = stage.platform ?? conversion.options.targetPlatform;
  const prefix = nextStepPrefix(conversion, stage, platform, stage.variables, command.isTrigger);
  return {
    prefix,
    text,
    options: {
      name: `${prefix}${text}`,
      location: locate(conversion.dockerfile, command.instruction.range),
      ...(ignoreCache ? { ignoreCache } : {}),
    },
  };
}

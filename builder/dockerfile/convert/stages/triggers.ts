// ONBUILD triggers: those of a base run before a child's own instructions.

import { withLocation } from "../../../core/errors.ts";
import type { From, Instruction } from "../../instruction.ts";
import { readInstruction } from "../../instructions.ts";
import type { Conversion } from "../conversion.ts";
import { addCommand } from "./dependencies.ts";
import { withConfig } from "../config/image-draft.ts";
import { inherit } from "./stage.ts";
import type { Stage } from "./stage.ts";

/** Puts the triggers of the stages' bases in front of their instructions. Returns the stages that these read from. */
export function readTriggers(conversion: Conversion, stages: Iterable<Stage>): Stage[] {
  const sources: Stage[] = [];
  for (const stage of stages) {
    inherit(stage);
    const triggers = [...(stage.draft.config.OnBuild ?? []), ...triggersOfParent(stage)];
    if (triggers.length === 0) continue;
    stage.draft = withConfig(stage.draft, { OnBuild: undefined });
    // An image that is only read from runs none.
    if (stage.isDone) continue;
    try {
      const instructions = triggers.flatMap((text) => readTrigger(stage, text));
      const commands = instructions.map((instruction) => addCommand(conversion, stage, instruction, true));
      stage.commands = [...commands, ...stage.commands];
      stage.stepTotal += commands.length;
      for (const command of commands) for (const source of command.sources) sources.push(source);
    } catch (error) {
      throw withLocation(error, stage.location);
    }
  }
  return sources;
}

/** The ONBUILD instructions of the stage it builds on, which is not converted yet. */
function triggersOfParent({ base }: Stage): readonly string[] {
  if (base === undefined) return [];
  return (base.givenTriggers ??= base.commands.flatMap(({ instruction }) =>
    instruction.kind === "onbuild" ? [instruction.expression] : [],
  ));
}

function readTrigger(stage: Stage, text: string): Exclude<Instruction, From>[] {
  return readInstruction(text, stage.location).filter((instruction) => instruction.kind !== "from");
}

// One instruction of a stage: what it does to the stage's tree, config and history.

import { withLocation } from "../../core/errors.ts";
import type { InstructionPlace } from "../../core/image/image-config.ts";
import { applyArg } from "./variables/args.ts";
import * as config from "./config/config-state.ts";
import type { Conversion } from "./conversion.ts";
import { locate } from "./conversion.ts";
import { applyCopy } from "./copy/copy.ts";
import { splitVariable } from "./variables/env.ts";
import { applyExpose } from "./config/expose.ts";
import { configOf, withDefaultPath, withPlace } from "./config/image-draft.ts";
import { applyRun } from "./run/run.ts";
import { inherit } from "./stages/stage.ts";
import type { Command, Stage } from "./stages/stage.ts";
import type { StageVariables } from "./variables/variables.ts";
import { applyWorkdir, setWorkdir } from "./config/workdir.ts";

/** Runs a stage's instructions, and goes on behind those that are wrong. The stages it reads from come first. */
export async function convertStage(conversion: Conversion, stage: Stage): Promise<void> {
  begin(conversion, stage);
  for (const command of stage.commands) {
    conversion.signal.throwIfAborted();
    conversion.findings.enter(command.instruction.comments);
    const { history } = stage.draft;
    try {
      await apply(conversion, stage, command);
      // A trigger of the base image stands in another file.
      if (!command.isTrigger) stage.draft = withPlace(stage.draft, history, placeOf(conversion, command));
    } catch (error) {
      conversion.findings.stop();
      conversion.faults.add(withLocation(error, locate(conversion.dockerfile, command.instruction.range)));
    }
  }
}

function placeOf({ dockerfile }: Conversion, { instruction }: Command): InstructionPlace {
  return { file: dockerfile.fileName, line: instruction.range.startLine };
}

/** What a stage has before its first instruction: all of its base, and PATH. */
function begin(conversion: Conversion, stage: Stage): void {
  inherit(stage);
  stage.isDone = true;
  stage.platform ??= conversion.options.targetPlatform;
  stage.draft = withDefaultPath(stage.draft, stage.platform.os);
  stage.variables = withEnvOfBase(stage);
  const { WorkingDir } = stage.draft.config;
  if (WorkingDir) setWorkdir(stage, WorkingDir);
}

/** What the base's config says goes before all ARGs of the base. */
function withEnvOfBase({ base, draft, variables }: Stage): StageVariables {
  const { Env = [] } = draft.config;
  const names = new Set(Env.map((entry) => splitVariable(entry)[0]));
  if (base !== undefined && names.size === Env.length) return variables.renewed();
  // An image may say a name twice; then the last one counts again, whatever ENV has set since.
  const { Env: all = [] } = configOf(draft);
  return all.reduce((set, entry) => set.withEnv(...splitVariable(entry)), variables);
}

async function apply(conversion: Conversion, stage: Stage, command: Command): Promise<void> {
  const { instruction } = command;
  switch (instruction.kind) {
    case "arg":
      return applyArg(conversion, stage, instruction);
    case "env":
      return config.applyEnv(conversion, stage, instruction);
    case "label":
      return config.applyLabel(conversion, stage, instruction);
    case "maintainer":
      return config.applyMaintainer(stage, instruction);
    case "run":
      return await applyRun(conversion, stage, command, instruction);
    case "copy":
    case "add":
      return await applyCopy(conversion, stage, command, instruction);
    case "cmd":
      return config.applyCmd(conversion, stage, instruction);
    case "entrypoint":
      return config.applyEntrypoint(conversion, stage, instruction);
    case "workdir":
      return applyWorkdir(conversion, stage, command, instruction);
    case "user":
      return config.applyUser(conversion, stage, instruction);
    case "expose":
      return applyExpose(conversion, stage, instruction);
    case "volume":
      return config.applyVolume(conversion, stage, instruction);
    case "stopsignal":
      return config.applyStopSignal(conversion, stage, instruction);
    case "healthcheck":
      return config.applyHealthcheck(conversion, stage, instruction);
    case "shell":
      return config.applyShell(stage, instruction);
    case "onbuild":
      return config.applyOnbuild(stage, instruction);
  }
}

// WORKDIR makes the directory, owned by USER, and is a layer of its own.

import type { FileOp } from "../../../graph/op.ts";
import type { VertexOptions } from "../../../graph/vertex.ts";
import { vertex } from "../../../graph/vertex.ts";
import type { Workdir } from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { Inputs } from "../conversion.ts";
import { withConfig, withHistory } from "./image-draft.ts";
import { fileStep } from "../step.ts";
import type { Command, Stage } from "../stages/stage.ts";
import { ownerSpec } from "../copy/owner.ts";
import { absolute, cleanPath } from "../paths.ts";
import { expandIn } from "../variables/words.ts";

export function applyWorkdir(conversion: Conversion, stage: Stage, command: Command, instruction: Workdir): void {
  const written = expandIn(conversion, stage, instruction.range, instruction.path);
  if (!stage.hasWorkdir && !written.startsWith("/")) conversion.findings.relativeWorkdir(written, instruction.range);
  stage.hasWorkdir = true;
  setWorkdir(stage, written);
  const path = stage.draft.config.WorkingDir ?? "/";
  const made = path === "/" ? "empty" : makeDirectory(conversion, stage, command, path);
  stage.draft = withHistory(stage.draft, `WORKDIR ${path}`, made);
}

/** Makes a path the stage's working directory; relative ones count from the present one. */
export function setWorkdir(stage: Stage, path: string): void {
  stage.draft = withConfig(stage.draft, { WorkingDir: absolute(stage.draft.config.WorkingDir ?? "", path) });
}

function makeDirectory(conversion: Conversion, stage: Stage, command: Command, path: string): VertexOptions {
  const inputs = new Inputs();
  const destination = inputs.add(stage.tree.vertex);
  const { User } = stage.draft.config;
  const op: FileOp = {
    kind: "file",
    destination,
    actions: [
      {
        action: "mkdir",
        path: cleanPath(path),
        mode: 0o755,
        makeParents: true,
        ...(User ? { owner: ownerSpec(User, destination < 0) } : {}),
      },
    ],
    ...(conversion.epochSeconds === undefined ? {} : { createdTimeNs: `${conversion.epochSeconds}000000000` }),
  };
  const { options } = fileStep(conversion, stage, command);
  stage.tree = { vertex: vertex(op, inputs.list, options), isClient: false, excludes: [] };
  return options;
}

// Which stages a stage reads from: COPY --from and RUN --mount=from.

import { withLocation } from "../../../core/errors.ts";
import type { SourceRange } from "../../../core/errors.ts";
import { expandWord } from "../../expand.ts";
import type { Copy, From, Instruction } from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { locate } from "../conversion.ts";
import { fault } from "../fault.ts";
import { SCRATCH } from "./from.ts";
import { mountFrom } from "../run/mounts.ts";
import { newStage } from "./stage.ts";
import type { Command, Stage } from "./stage.ts";

/** Finds what all stages of the file read. Images that are named directly join the list. */
export function linkStages(conversion: Conversion): void {
  const { dockerfile, stages } = conversion;
  for (const [index, { instructions }] of dockerfile.stages.entries()) {
    const stage = stages.byIndex(index);
    const link = (instruction: Exclude<Instruction, From>): Command | undefined =>
      conversion.faults.attempt(() => addCommand(conversion, stage, instruction, false));
    stage.commands = instructions.flatMap((instruction) => link(instruction) ?? []);
  }
  conversion.faults.attempt(() => checkCycles(conversion));
  const [only] = stages.all;
  if (only !== undefined && stages.all.length === 1) only.title = "";
}

/** An instruction with the stages it reads; they become dependencies of its stage. */
export function addCommand(
  conversion: Conversion,
  stage: Stage,
  instruction: Exclude<Instruction, From>,
  isTrigger: boolean,
): Command {
  try {
    const sources = sourcesOf(conversion, instruction);
    for (const source of sources) {
      stage.dependencies.set(source, instruction.range);
      if (source.isImplicit && !conversion.stages.has(source)) conversion.stages.add(source);
    }
    return { instruction, sources, isTrigger };
  } catch (error) {
    throw withLocation(error, locate(conversion.dockerfile, instruction.range));
  }
}

function sourcesOf(conversion: Conversion, instruction: Exclude<Instruction, From>): Stage[] {
  switch (instruction.kind) {
    case "copy":
      return instruction.from ? [copySource(conversion, instruction, instruction.from)] : [];
    case "run":
      // A mount without `from` reads the empty tree, or the context, which is no stage.
      return instruction.mounts.map((text) => namedSource(conversion, mountFrom(text) || SCRATCH, instruction.range));
    default:
      return [];
  }
}

function copySource(conversion: Conversion, instruction: Copy, from: string): Stage {
  if (expandWord(from, new Map(), conversion.dockerfile.directives.escape).result !== from) {
    throw fault(
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    );
  }
  if (/^[+-]?\d+$/.test(from)) return conversion.stages.byIndex(Number(from));
  return namedSource(conversion, from, instruction.range);
}

function namedSource(conversion: Conversion, name: string, range: SourceRange): Stage {
  const known = conversion.stages.byName(name);
  if (known !== undefined) return known;
  return newStage({
    name: "",
    title: "",
    baseName: name,
    from: undefined,
    location: locate(conversion.dockerfile, range),
    isImplicit: true,
  });
}

/** Each stage is visited once, however many read from it, and without recursion: a file may chain thousands. */
function checkCycles(conversion: Conversion): void {
  const seen = new Set<Stage>();
  for (const start of conversion.stages.all) {
    const path = new Set<Stage>();
    const open: { readonly stage: Stage; readonly rest: Iterator<[Stage, SourceRange]> }[] = [];
    const enter = (stage: Stage): void => {
      if (seen.has(stage)) return;
      seen.add(stage);
      path.add(stage);
      open.push({ stage, rest: stage.dependencies.entries() });
    };
    enter(start);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.rest.next();
      if (next.done === true) {
        path.delete(top.stage);
        open.pop();
        continue;
      }
      const [dependency, range] = next.value;
      if (!path.has(dependency)) enter(dependency);
      else
        throw withLocation(
          fault(`circular dependency detected on stage: ${start.title}`),
          locate(conversion.dockerfile, range),
        );
    }
  }
}

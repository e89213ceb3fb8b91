// SOURCE_DATE_EPOCH: a build arg, or an ARG before the first FROM. It is a number, or names what has a time: "context", a
// named context, or a stage that does nothing but ADD one thing from the network.

import { BuildError, withLocation } from "../../../core/errors.ts";
import type { Platform } from "../../../core/image/platform.ts";
import type { Vertex } from "../../../graph/vertex.ts";
import { expandWord } from "../../expand.ts";
import type { Add, Dockerfile, StageText } from "../../instruction.ts";
import { isRemote, remoteSource } from "../copy/add-source.ts";
import { locate } from "../conversion.ts";
import { dropVariable, setVariable } from "./env.ts";
import type { Variables } from "./env.ts";
import { fault } from "../fault.ts";
import type { ConvertWorld } from "../plan.ts";
import type { Tree } from "../stages/stage.ts";

const NAME = "SOURCE_DATE_EPOCH";

interface Epoch {
  readonly seconds: number | undefined;
  /** With the number that the value stands for. */
  readonly buildArgs: Variables;
  readonly globalArgs: Variables;
}

/** What the value may mean. */
export interface EpochWorld {
  readonly dockerfile: Dockerfile;
  readonly world: ConvertWorld;
  readonly targetPlatform: Platform;
  readonly mainContext: () => Promise<Tree>;
}

/** Reads the epoch. Where what it names has no time (a folder, an image), it is as if there were none. */
export async function readEpoch(buildArgs: Variables, globalArgs: Variables, where: EpochWorld): Promise<Epoch> {
  const text = buildArgs.get(NAME) ?? globalArgs.get(NAME) ?? "";
  const seconds = text === "" ? undefined : await secondsOf(text, buildArgs, globalArgs, where);
  return { seconds, buildArgs: update(buildArgs, seconds), globalArgs: update(globalArgs, seconds) };
}

async function secondsOf(
  text: string,
  buildArgs: Variables,
  globalArgs: Variables,
  where: EpochWorld,
): Promise<number | undefined> {
  const seconds = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  const source = await sourceNamed(text, buildArgs, globalArgs, where);
  return source === undefined ? undefined : await where.world.sourceSeconds(source);
}

async function sourceNamed(
  text: string,
  buildArgs: Variables,
  globalArgs: Variables,
  { dockerfile, world, targetPlatform, mainContext }: EpochWorld,
): Promise<Vertex | undefined> {
  if (text === "context") return (await mainContext()).vertex;
  if (text !== "scratch" && world.hasNamedContext(text, targetPlatform)) {
    const context = await world.namedContext(text, targetPlatform);
    return context?.kind === "source" ? context.vertex : undefined;
  }
  const stage = dockerfile.stages.find(({ from }) => from.stageName?.toLowerCase() === text.toLowerCase());
  if (stage !== undefined) return stageSource(dockerfile, stage, buildArgs, dropVariable(globalArgs, NAME));
  throw new BuildError("DOCKERFILE", `invalid SOURCE_DATE_EPOCH: ${text}`, {
    hint: 'give a number of seconds since 1970, "context", or the name of a context or stage',
  });
}

/** The one source of a stage that has nothing else. */
function stageSource(dockerfile: Dockerfile, stage: StageText, buildArgs: Variables, scope: Variables): Vertex {
  const { from, instructions } = stage;
  const { escape } = dockerfile.directives;
  try {
    if (expandWord(from.image, scope, escape).result !== "scratch")
      throw fault("SOURCE_DATE_EPOCH stage must use FROM scratch");
    const variables = new Map(scope);
    const sources: Vertex[] = [];
    for (const instruction of instructions) {
      if (instruction.kind === "arg") {
        for (const { key, value } of instruction.args) {
          const set =
            buildArgs.get(key) ?? (value === undefined ? undefined : expandWord(value, variables, escape).result);
          if (set !== undefined) variables.set(key, set);
        }
      } else if (instruction.kind === "add") sources.push(addedSource(instruction, variables, escape));
      else {
        const name = instruction.kind.toUpperCase();
        throw fault(`SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported ${name} instruction`);
      }
    }
    const [only] = sources;
    if (only === undefined || sources.length > 1)
      throw fault("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
    return only;
  } catch (error) {
    throw withLocation(error, locate(dockerfile, from.range));
  }
}

function addedSource(instruction: Add, variables: Variables, escape: string): Vertex {
  const [written] = instruction.sources;
  if (written === undefined || instruction.sources.length > 1 || instruction.inline.length > 0)
    throw fault("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source");
  const source = expandWord(written, variables, escape).result;
  if (!isRemote(source)) throw fault("SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD");
  const checksum = expandWord(instruction.checksum ?? "", variables, escape).result;
  const name = "[internal] resolve SOURCE_DATE_EPOCH source stage";
  return remoteSource(instruction, source, checksum, { name }).vertex;
}

function update(variables: Variables, seconds: number | undefined): Variables {
  if (!variables.has(NAME)) return variables;
  return seconds === undefined ? dropVariable(variables, NAME) : setVariable(variables, NAME, String(seconds));
}

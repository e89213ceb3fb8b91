// `outline`: what a build of the target can be given. The file is converted as for a build, and nothing is run.

import { convertToTarget } from "../convert/convert.ts";
import type { ConvertOptions, ConvertWorld } from "../convert/plan.ts";
import type { DeclaredArg, MountedInput, Parameters } from "../convert/variables/parameters.ts";
import type { Stage } from "../convert/stages/stage.ts";
import { reachable } from "../convert/stages/stage.ts";
import type { Dockerfile } from "../instruction.ts";
import { stageDescription } from "./targets.ts";
import type { Answer } from "./text.ts";
import { goJson, jsonLocation, table, unlessEmpty } from "./text.ts";

/** ARGs, secrets and agents of the target and of the stages it needs. Throws what a conversion throws. */
export async function outline(
  dockerfile: Dockerfile,
  bytes: Uint8Array,
  options: ConvertOptions,
  world: ConvertWorld,
  signal: AbortSignal,
): Promise<Answer> {
  const { target } = await convertToTarget(dockerfile, options, world, signal);
  const name = target.from?.stageName ?? "";
  const description = target.from === undefined ? "" : stageDescription(target.from);
  const stages = reachable(target);
  const args = argsOf(stages);
  const secrets = mounted(stages, ({ secrets: found }) => found);
  const agents = mounted(stages, ({ agents: found }) => found);
  const json = {
    name: unlessEmpty(name),
    description: unlessEmpty(description),
    args: unlessEmpty(
      args.map((arg) => ({
        name: arg.name,
        description: unlessEmpty(arg.description),
        value: unlessEmpty(arg.value),
        location: jsonLocation(arg.range),
      })),
    ),
    secrets: unlessEmpty(secrets.map(mountJson)),
    ssh: unlessEmpty(agents.map(mountJson)),
    sources: [Buffer.from(bytes).toString("base64")],
  };
  const text = [
    name === "" && description === "" ? "" : headText(name, description),
    block(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value, arg.description]),
    ),
    block(["SECRET", "REQUIRED"], secrets.map(mountRow)),
    block(["SSH", "REQUIRED"], agents.map(mountRow)),
  ];
  return { json: goJson(json), text: text.join("") };
}

/** By line. An ARG that several stages declare is the nearest one's. */
function argsOf(stages: Iterable<Stage>): DeclaredArg[] {
  const found = new Map<string, DeclaredArg>();
  for (const { parameters } of stages) {
    for (const arg of parameters.args()) if (!found.has(arg.name)) found.set(arg.name, arg);
  }
  return [...found.values()].sort((a, b) => a.range.startLine - b.range.startLine);
}

type Mounted = readonly [id: string, input: MountedInput];

function mounted(stages: Iterable<Stage>, of: (parameters: Parameters) => Iterable<Mounted>): Mounted[] {
  const found = new Map<string, MountedInput>();
  for (const { parameters } of stages) {
    for (const [id, input] of of(parameters)) if (!found.has(id)) found.set(id, input);
  }
  return [...found].sort(([, a], [, b]) => a.range.startLine - b.range.startLine);
}

function mountJson([name, { required, range }]: Mounted): object {
  return { name, required: required || undefined, location: jsonLocation(range) };
}

function mountRow([name, { required }]: Mounted): string[] {
  return [name, required ? "true" : ""];
}

function headText(name: string, description: string): string {
  const rows = [["TARGET:", name === "" ? "(default)" : name]];
  if (description !== "") rows.push(["DESCRIPTION:", description]);
  return `${table(rows, 1)}\n`;
}

/** A table with an empty line below it; nothing where there are no rows. */
function block(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `${table([head, ...rows], 3)}\n`;
}

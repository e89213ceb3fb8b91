// `targets`: the stages of a Dockerfile, as they are written. Nothing is expanded or looked up for it.

import type { Dockerfile, From } from "../instruction.ts";
import type { Answer } from "./text.ts";
import { goJson, jsonLocation, table, unlessEmpty } from "./text.ts";

/** The stages of a file, in its order; the last one is the default. */
export function targets(dockerfile: Dockerfile, bytes: Uint8Array): Answer {
  const stages = dockerfile.stages.map(({ from }, at) => ({ from, isDefault: at === dockerfile.stages.length - 1 }));
  const rows = stages.map(({ from, isDefault }) => [shownName(from, isDefault), stageDescription(from)]);
  const json = {
    targets: stages.map(({ from, isDefault }) => ({
      name: unlessEmpty(from.stageName ?? ""),
      default: isDefault || undefined,
      description: unlessEmpty(stageDescription(from)),
      base: unlessEmpty(from.image),
      platform: unlessEmpty(from.platform ?? ""),
      location: jsonLocation(from.range),
    })),
    sources: [Buffer.from(bytes).toString("base64")],
  };
  return { json: goJson(json), text: table([["TARGET", "DESCRIPTION"], ...rows], 1) };
}

function shownName({ stageName = "" }: From, isDefault: boolean): string {
  if (!isDefault) return stageName;
  return stageName === "" ? "(default)" : `${stageName} (default)`;
}

/** The comment above a FROM that begins with the stage's name, without it. */
export function stageDescription({ stageName, comments }: From): string {
  if (stageName === undefined) return "";
  const comment = comments.find((line) => line.startsWith(`${stageName} `));
  return comment?.slice(stageName.length + 1) ?? "";
}

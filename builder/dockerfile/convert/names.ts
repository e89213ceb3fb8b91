// Names of steps as progress shows them: "[build 2/5] RUN make".

import type { Platform } from "../../core/image/platform.ts";
import { normalizePlatform, parsePlatform } from "../../core/image/platform.ts";
import type { EnvLookup } from "../expand.ts";
import type { Conversion } from "./conversion.ts";
import { formatFullPlatform } from "./variables/platform-args.ts";
import type { Stage } from "./stages/stage.ts";

/** Counts a step of a stage and gives it its prefix. */
export function nextStepPrefix(
  conversion: Conversion,
  stage: Stage,
  platform: Platform,
  variables: EnvLookup,
  isTrigger: boolean,
): string {
  if (stage.stepTotal === 0) return "";
  stage.stepIndex++;
  const words: string[] = [];
  if (conversion.options.multiPlatform) words.push(formatFullPlatform(platform) + crossTarget(platform, variables));
  if (stage.title !== "") words.push(stage.title);
  const width = Math.floor(1 + Math.log10(stage.stepTotal));
  words.push(`${String(stage.stepIndex).padStart(width)}/${stage.stepTotal}`);
  return `[${words.join(" ")}] ${isTrigger ? "ONBUILD " : ""}`;
}

/** The first word, the instruction, in upper case. */
export function upperFirstWord(text: string): string {
  const space = text.indexOf(" ");
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}

/** "->arm64" when the stage's variables say that it builds for another platform than it runs on. */
function crossTarget(base: Platform, variables: EnvLookup): string {
  const target = targetOf(variables, base);
  if (target === undefined) return "";
  if (target.os !== base.os) return `->${formatFullPlatform(target)}`;
  if (target.architecture === base.architecture) return "";
  return `->${target.architecture}${target.variant === undefined ? "" : `/${target.variant}`}`;
}

function targetOf(variables: EnvLookup, base: Platform): Platform | undefined {
  const text = variables.get("TARGETPLATFORM");
  if (text !== undefined) {
    try {
      return parsePlatform(text);
    } catch {
      // The parts may still say something.
    }
  }
  const [os, architecture, variant] = ["TARGETOS", "TARGETARCH", "TARGETVARIANT"].map((name) => variables.get(name));
  if (os === undefined && architecture === undefined && variant === undefined) return undefined;
  return normalizePlatform({
    os: os || base.os,
    architecture: architecture || base.architecture,
    variant: variant ?? "",
  });
}

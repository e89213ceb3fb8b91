// FROM: stages as written become stages under construction. Nothing is loaded here.

import { withLocation } from "../../../core/errors.ts";
import type { BuildError, SourceRange } from "../../../core/errors.ts";
import type { Platform } from "../../../core/image/platform.ts";
import { parsePlatform } from "../../../core/image/platform.ts";
import { expandWord } from "../../expand.ts";
import type { Expansion } from "../../expand.ts";
import type { From, StageText } from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { locate } from "../conversion.ts";
import { fault } from "../fault.ts";
import type { ConvertOptions } from "../plan.ts";
import { newStage } from "./stage.ts";
import { withSuggestion } from "../suggest.ts";

/** The name of an image without files. */
export const SCRATCH = "scratch";

/** Adds the stages of the file to the list, in order. */
export function addStages(conversion: Conversion): void {
  for (const [index, text] of conversion.dockerfile.stages.entries()) {
    const { from } = text;
    conversion.findings.enter(from.comments);
    try {
      addStage(conversion, text, index);
    } catch (error) {
      conversion.findings.stop();
      conversion.faults.add(withLocation(error, locate(conversion.dockerfile, from.range)));
    }
  }
  conversion.findings.enter([]);
}

function addStage(conversion: Conversion, text: StageText, index: number): void {
  const { from } = text;
  const name = (from.stageName ?? "").toLowerCase();
  const base = expandBase(conversion, from);
  const platform = from.platform === undefined ? undefined : expandPlatform(conversion, from, from.platform, name);
  const stage = newStage({
    name,
    title: name === "" ? `stage-${index}` : name,
    baseName: base.result,
    from,
    location: locate(conversion.dockerfile, from.range),
    isImplicit: false,
    platform: platform?.platform,
    ignoreCache: isNoCache(conversion.options, name),
  });
  stage.isReplaced = name !== "" && hasNamedContext(conversion, name, stage.platform);
  conversion.stages.add(stage);
  stage.parameters = (stage.base?.parameters ?? conversion.parameters).ofChild();
  if (stage.isReplaced) {
    stage.base = undefined;
    return;
  }
  for (const arg of [...base.matched, ...(platform?.matched ?? [])]) stage.parameters.useInFrom(arg);
  const steps = text.instructions.filter(
    ({ kind }) => kind === "add" || kind === "copy" || kind === "run" || kind === "workdir",
  );
  stage.stepTotal = steps.length + (stage.baseName !== SCRATCH && stage.base === undefined ? 1 : 0);
}

function expandBase(conversion: Conversion, from: From): Expansion {
  const expansion = expandWord(from.image, conversion.globalArgs, conversion.dockerfile.directives.escape);
  reportUnknown(conversion, expansion, from.range);
  if (expansion.result === "") throw fault(`base name (${from.image}) should not be blank`);
  return expansion;
}

function expandPlatform(
  conversion: Conversion,
  from: From,
  text: string,
  stageName: string,
): { readonly platform: Platform; readonly matched: ReadonlySet<string> } {
  const { globalArgs, findings } = conversion;
  const expansion = expandWord(text, globalArgs, conversion.dockerfile.directives.escape);
  reportUnknown(conversion, expansion, from.range);
  const { result, matched, unmatched } = expansion;
  if (
    matched.size === 1 &&
    unmatched.size === 0 &&
    matched.has("TARGETPLATFORM") &&
    result === globalArgs.get("TARGETPLATFORM")
  ) {
    findings.redundantTargetPlatform(text, from.range);
  }
  const suggest = (message: string): BuildError =>
    fault([...unmatched].reduce((said, name) => withSuggestion(said, name, globalArgs.keys()), message));
  if (result === "") throw suggest(`empty platform value from expression ${text}`);
  let platform: Platform;
  try {
    platform = parsePlatform(result, conversion.options.buildPlatform);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw suggest(`failed to parse platform ${text}: ${reason}`);
  }
  const isConstant = matched.size === 0 && unmatched.size === 0;
  if (isConstant && !stageName.includes(platform.os) && !stageName.includes(platform.architecture)) {
    findings.constantPlatform(result, from.range);
  }
  return { platform, matched };
}

function reportUnknown(
  { globalArgs, parameters, findings }: Conversion,
  { unmatched }: Expansion,
  range: SourceRange,
): void {
  for (const name of unmatched) {
    if (globalArgs.has(name) || parameters.isDeclared(name)) continue;
    findings.undefinedArgInFrom(name, () => [...globalArgs.keys(), ...parameters.globalNames()], range);
  }
}

function isNoCache({ noCache }: ConvertOptions, name: string): boolean {
  return typeof noCache === "boolean" ? noCache : noCache.some((stage) => stage.toLowerCase() === name);
}

/** Whether a named context stands behind a name; "scratch" and "context" never have one. */
export function hasNamedContext({ world, options }: Conversion, name: string, platform: Platform | undefined): boolean {
  return !RESERVED.has(name.toLowerCase()) && world.hasNamedContext(name, platform ?? options.targetPlatform);
}

const RESERVED: ReadonlySet<string> = new Set([SCRATCH, "context"]);

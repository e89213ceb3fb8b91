// ARG: before the first FROM, and in a stage.

import { withLocation } from "../../core/errors.ts";
import { expandWord } from "../expand.ts";
import type { Arg, Dockerfile } from "../instruction.ts";
import type { Conversion } from "./conversion.ts";
import { locate } from "./conversion.ts";
import { setVariable } from "./env.ts";
import type { Variables } from "./env.ts";
import { withHistory } from "./image-draft.ts";
import type { Stage } from "./stage.ts";
import { NO_VARIABLES, expandIn } from "./words.ts";

/** The global scope: the automatic ARGs, then those before the first FROM, with build args before defaults. */
export function globalScope(dockerfile: Dockerfile, automatic: Variables, buildArgs: Variables): Variables {
  let scope = automatic;
  for (const instruction of dockerfile.globalArgs) {
    for (const { key, value } of instruction.args) {
      const given = buildArgs.get(key);
      const next = given ?? (value === undefined ? undefined : expandGlobal(dockerfile, instruction, value, scope));
      if (next !== undefined) scope = setVariable(scope, key, next);
    }
  }
  return scope;
}

function expandGlobal(dockerfile: Dockerfile, instruction: Arg, value: string, scope: Variables): string {
  try {
    return expandWord(value, scope, dockerfile.directives.escape).result;
  } catch (error) {
    throw withLocation(error, locate(dockerfile, instruction.range));
  }
}

/** ARG in a stage: a build arg, else the default, else the global scope's value, else none. */
export function applyArg(conversion: Conversion, stage: Stage, instruction: Arg): void {
  const words: string[] = [];
  for (const { key, value } of instruction.args) {
    conversion.findings.secretInName("ARG", key, instruction.range);
    const given = conversion.buildArgs.get(key);
    const next =
      given ??
      (value === undefined ? conversion.globalArgs.get(key) : expandIn(conversion, stage, instruction.range, value));
    if (next !== undefined && !NO_VARIABLES.has(key)) stage.variables = setVariable(stage.variables, key, next);
    stage.args = [...stage.args, { name: key, value: next }];
    words.push(next === undefined ? key : `${key}=${next}`);
  }
  stage.draft = withHistory(stage.draft, `ARG ${words.join(" ")}`, "empty");
}

/**
 * A command as history shows it: "|2 A=1 B= /bin/sh -c make". An ARG that was
 * declared more often counts once, at its first place; its value is what RUN sees.
 */
export function withArgs(words: readonly string[], args: Stage["args"], variables: Variables): string {
  const values = new Map<string, string>();
  for (const arg of args) values.set(arg.name, variables.get(arg.name) ?? arg.value ?? "");
  const declared = [...values].map(([name, value]) => `${name}=${value}`);
  const prefix = declared.length === 0 ? [] : [`|${declared.length}`, ...declared];
  return [...prefix, ...words].join(" ");
}

// ARG: before the first FROM, and in a stage.

import { withLocation } from "../../../core/errors.ts";
import { expandWord } from "../../expand.ts";
import type { Arg, Dockerfile } from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { locate } from "../conversion.ts";
import type { Variables } from "./env.ts";
import type { DeclaredArg } from "./parameters.ts";
import { declaredArg } from "./parameters.ts";
import { withHistory } from "../config/image-draft.ts";
import type { Stage } from "../stages/stage.ts";
import type { StageVariables } from "./variables.ts";
import { expandIn } from "./words.ts";

/** The global scope: the automatic ARGs, then those before the first FROM, with build args before defaults. */
export function globalScope(dockerfile: Dockerfile, automatic: Variables, buildArgs: Variables): Variables {
  return globalArgs(dockerfile, automatic, buildArgs).scope;
}

/** The global scope, and the ARGs that were declared in it. */
export function globalArgs(
  dockerfile: Dockerfile,
  automatic: Variables,
  buildArgs: Variables,
): { readonly scope: Variables; readonly declared: ReadonlyMap<string, DeclaredArg> } {
  const scope = new Map(automatic);
  const declared = new Map<string, DeclaredArg>();
  for (const instruction of dockerfile.globalArgs) {
    for (const arg of instruction.args) {
      const { key } = arg;
      const given = buildArgs.get(key);
      const { result, matched } =
        given === undefined ? expandGlobal(dockerfile, instruction, arg.value, scope) : NO_WORD;
      const value = given ?? result;
      if (value !== undefined) {
        // What is set once more stands at the end.
        scope.delete(key);
        scope.set(key, value);
      }
      declared.set(key, declaredArg(arg, instruction, value, usedBy(key, matched, declared.get(key))));
    }
  }
  return { scope, declared };
}

const NO_WORD = { result: undefined, matched: new Set<string>() };

/** What an ARG's value was made of; one that is made of its own earlier value keeps what that was made of. */
function usedBy(key: string, matched: ReadonlySet<string>, earlier: DeclaredArg | undefined): ReadonlySet<string> {
  if (!matched.has(key)) return matched;
  return new Set([...matched, ...(earlier?.uses ?? [])].filter((name) => name !== key));
}

function expandGlobal(
  dockerfile: Dockerfile,
  instruction: Arg,
  value: string | undefined,
  scope: Variables,
): { readonly result: string | undefined; readonly matched: ReadonlySet<string> } {
  if (value === undefined) return NO_WORD;
  try {
    return expandWord(value, scope, dockerfile.directives.escape);
  } catch (error) {
    throw withLocation(error, locate(dockerfile, instruction.range));
  }
}

/** ARG in a stage: a build arg, else the default, else the global scope's value, else none. */
export function applyArg(conversion: Conversion, stage: Stage, instruction: Arg): void {
  const words: string[] = [];
  for (const arg of instruction.args) {
    const { key, value } = arg;
    conversion.findings.secretInName("ARG", key, instruction.range);
    const given = conversion.buildArgs.get(key);
    const next =
      given ??
      (value === undefined ? conversion.globalArgs.get(key) : expandIn(conversion, stage, instruction.range, value));
    stage.variables = stage.variables.withArg(key, next);
    const isGlobal = given === undefined && value === undefined && next !== undefined;
    stage.parameters.useArg(key, isGlobal ? undefined : declaredArg(arg, instruction, next));
    words.push(next === undefined ? key : `${key}=${next}`);
  }
  stage.draft = withHistory(stage.draft, `ARG ${words.join(" ")}`, "empty");
}

/**
 * A command as history shows it: "|2 A=1 B= /bin/sh -c make". An ARG that was
 * declared more often counts once, at its first place; its value is what RUN sees.
 */
export function withArgs(words: readonly string[], variables: StageVariables): string {
  const declared = variables.args();
  const prefix = declared.length === 0 ? [] : [`|${declared.length}`, ...declared];
  return [...prefix, ...words].join(" ");
}

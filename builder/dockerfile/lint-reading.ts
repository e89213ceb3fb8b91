// The lint rules that need only the text, reported in BuildKit's order.

import type { From, Instruction, StageText } from "./instruction.ts";
import {
  ConsistentInstructionCasing,
  DuplicateStageName,
  FromAsCasing,
  InvalidDefinitionDescription,
  MaintainerDeprecated,
  NoEmptyContinuation,
  ReservedStageName,
  StageNameCasing,
} from "./lint-rules.ts";
import type { Linter } from "./lint.ts";
import type { RawFile, RawNode } from "./parse.ts";

/** Empty lines within instructions. */
export function lintLines(file: RawFile, linter: Linter): void {
  for (const line of file.emptyContinuations) {
    linter.report(NoEmptyContinuation, { startLine: line, endLine: line });
  }
}

/** Rules about one instruction, before it is read. */
export function lintNode(node: RawNode, linter: Linter): void {
  const range = { startLine: node.startLine, endLine: node.endLine };
  const local = linter.for(node.comments);
  switch (node.keyword.toLowerCase()) {
    case "maintainer":
      local.report(MaintainerDeprecated, range);
      break;
    case "from": {
      const [, as, name] = node.args;
      if (as === undefined || name === undefined) return;
      if (node.args.length === 3 && name !== name.toLowerCase()) local.report(StageNameCasing, range, name);
      if (!asMatchesFrom(node.keyword, as)) local.report(FromAsCasing, range, node.keyword, as);
      break;
    }
  }
}

/** A keyword of mixed case is another rule's matter. */
function asMatchesFrom(from: string, as: string): boolean {
  if (from === from.toLowerCase()) return as === as.toLowerCase();
  return from !== from.toUpperCase() || as === as.toUpperCase();
}

/** Rules about one instruction, once it is read: the comment above FROM and ARG. */
export function lintInstruction(instruction: Instruction, linter: Linter): void {
  if (instruction.kind !== "from" && instruction.kind !== "arg") return;
  const names = instruction.kind === "arg" ? instruction.args.map((arg) => arg.key) : namesOf(instruction);
  const [firstName] = names;
  const comment = instruction.comments.at(-1);
  if (firstName === undefined || comment === undefined || names.includes(comment.split(" ", 1)[0] ?? "")) return;
  const shown = names.length > 1 ? "<arg_key>" : firstName;
  linter
    .for(instruction.comments)
    .report(InvalidDefinitionDescription, instruction.range, instruction.kind.toUpperCase(), shown);
}

function namesOf(from: From): string[] {
  return from.stageName === undefined ? [] : [from.stageName];
}

/** Rules about all stages together. */
export function lintStages(stages: readonly StageText[], linter: Linter): void {
  const names = new Set<string>();
  for (const { from } of stages) {
    const name = from.stageName;
    if (name === undefined) continue;
    if (name === "context" || name === "scratch") linter.report(ReservedStageName, from.range, name);
    if (names.has(name)) linter.report(DuplicateStageName, from.range, name);
    names.add(name);
  }
  lintKeywordCasing(stages, linter);
}

/** The majority counts keywords of one case; with as many of both, it is upper case. */
function lintKeywordCasing(stages: readonly StageText[], linter: Linter): void {
  const all = stages.flatMap<Instruction>(({ from, instructions }) => [from, ...instructions]);
  let majority = 0;
  for (const { keyword } of all) {
    if (keyword === keyword.toLowerCase()) majority++;
    else if (keyword === keyword.toUpperCase()) majority--;
  }
  for (const { keyword, range } of all) {
    const wanted = majority > 0 ? keyword.toLowerCase() : keyword.toUpperCase();
    if (keyword === wanted) continue;
    linter.report(ConsistentInstructionCasing, range, keyword, majority > 0 ? "lowercase" : "uppercase");
  }
}

// What every instruction has, and the errors several of them share.

import type { Instruction } from "../instruction.ts";
import type { RawNode } from "../parse.ts";
import { trimSpace } from "../space.ts";

/** The fields that all instructions have. */
export function baseOf(node: RawNode): Pick<Instruction, "range" | "keyword" | "original" | "comments"> {
  const { startLine, endLine, keyword, comments } = node;
  return { range: { startLine, endLine }, keyword, original: trimSpace(node.original), comments };
}

/** The only argument. */
export function onlyArgument(node: RawNode, name: string): string {
  const [argument] = node.args;
  if (argument === undefined || node.args.length > 1) throw new Error(`${name} requires exactly one argument`);
  return argument;
}

/** Refuses an instruction without arguments. */
export function requireArguments(args: readonly unknown[], name: string): void {
  if (args.length === 0) throw new Error(`${name} requires at least one argument`);
}

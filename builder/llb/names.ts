// What ops are called in progress, as BuildKit has it (solver/llbsolver/vertex.go).

import type { LlbAction, LlbOp } from "./definition.ts";
import type { NamedOp } from "./order.ts";

/** A merge of merges would have a name of any length. */
const LONGEST_NAME = 1000;

/** The name of an op; `inputs` are those of its inputs. */
export function nameOf({ op, metadata }: NamedOp, inputs: readonly string[]): string {
  const name = metadata?.description.get("llb.customname") ?? ownName(op, inputs);
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}

function ownName(op: LlbOp, inputs: readonly string[]): string {
  if (op.source !== undefined) return op.source.identifier.replace(/\/\/[^/@]*@/, "//");
  if (op.exec !== undefined) return op.exec.meta?.args.join(" ") ?? "";
  if (op.file !== undefined) return op.file.actions.map(actionName).join(", ");
  if (op.merge !== undefined) return `merge (${inputs.join(", ")})`;
  const side = (input: number | undefined): string =>
    input === undefined || inputs[input] === undefined ? "scratch" : `(${inputs[input]})`;
  return `diff ${side(op.diff?.lower?.input)} -> ${side(op.diff?.upper?.input)}`;
}

function actionName({ copy, mkdir, mkfile, rm, symlink }: LlbAction): string {
  if (copy !== undefined) return `copy ${copy.source} ${copy.destination}`;
  if (mkdir !== undefined) return `mkdir ${mkdir.path}`;
  if (mkfile !== undefined) return `mkfile ${mkfile.path}`;
  if (symlink !== undefined) return `symlink ${symlink.newPath} -> ${symlink.oldPath}`;
  return `rm ${rm?.path ?? ""}`;
}

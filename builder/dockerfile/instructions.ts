// Stage 2: raw nodes → instructions. Whatever is wrong with a Dockerfile's syntax ends here, as a BuildError
// with its place and, where it has one, BuildKit's text.

import { BuildError } from "../core/errors.ts";
import type { SourceLocation } from "../core/errors.ts";
import { nearest } from "./convert/suggest.ts";
import { findDirective, findSyntax } from "./directives.ts";
import type { FrontendChoice } from "./frontend.ts";
import { refuseOtherFrontend } from "./frontend.ts";
import type { Arg, Dockerfile, From, Instruction, StageText } from "./instruction.ts";
import { readCmd, readEntrypoint, readHealthcheck, readRun, readShell } from "./instructions/command.ts";
import { readAdd, readCopy } from "./instructions/copy.ts";
import {
  readArg,
  readEnv,
  readExpose,
  readFrom,
  readLabel,
  readMaintainer,
  readOnbuild,
  readStopSignal,
  readUser,
  readVolume,
  readWorkdir,
} from "./instructions/settings.ts";
import { lintInstruction, lintLines, lintNode, lintStages } from "./lint-reading.ts";
import { Linter, checkOptions } from "./lint.ts";
import type { FindingSink } from "./lint.ts";
import { wordHint } from "./locate.ts";
import { parse } from "./parse.ts";
import type { RawFile, RawNode } from "./parse.ts";

export interface ReadOptions {
  /** Lint options of the request; they replace the file's `# check=`. */
  readonly check?: string | undefined;
  readonly onFinding?: FindingSink | undefined;
  readonly frontend?: FrontendChoice;
}

/** Reads a Dockerfile. Throws `DOCKERFILE` with the place of what is wrong. */
export function readDockerfile(bytes: Uint8Array, fileName: string, options: ReadOptions = {}): Dockerfile {
  if (bytes.length === 0) {
    const location = { file: fileName, range: { startLine: 1, endLine: 1 }, text: "" };
    throw new BuildError("DOCKERFILE", "the Dockerfile cannot be empty", { location });
  }
  refuseOtherFrontend(Buffer.from(bytes).toString("utf8"), fileName, options.frontend ?? {});
  const file = parse(bytes, fileName);
  const directives = {
    escape: file.escape,
    syntax: findSyntax(file.text),
    check: findDirective("check", file.text),
  };
  const check = checkOptions(options.check, { fileName, text: file.text, directives });
  const linter = new Linter(check, [], options.onFinding);
  if (!file.faults.any) lintLines(file, linter);
  const { globalArgs, stages } = readStages(file, fileName, linter);
  lintStages(stages, linter);
  return { fileName, text: file.text, directives, globalArgs, stages, findings: linter.findings };
}

/** All mistakes of single instructions are found; which stages there are is only said of a file without any. */
function readStages(file: RawFile, fileName: string, linter: Linter): ReturnType<Stages["finish"]> {
  const collected = new Stages(file, fileName);
  const { faults } = file;
  let wasKnown = true;
  for (const node of file.nodes) {
    // As in BuildKit no rule is looked at behind a mistake.
    if (!faults.any) lintNode(node, linter);
    const isKnown = READERS.has(node.keyword.toLowerCase());
    // What follows something unknown may be the rest of it.
    const instruction = isKnown || wasKnown ? faults.attempt(() => readPlaced(node, file, fileName)) : undefined;
    if (!isKnown && node.original.includes("<<")) break;
    wasKnown = isKnown;
    if (instruction === undefined || faults.any) continue;
    lintInstruction(instruction, linter);
    collected.add(instruction);
  }
  faults.throwIfAny();
  return collected.finish();
}

/** Reads an ONBUILD trigger of a base image. What it yields, and its errors, have the given place: the FROM that brought it. */
export function readInstruction(text: string, place: SourceLocation): Instruction[] {
  try {
    const { nodes, faults } = parse(Buffer.from(text), place.file);
    faults.throwIfAny();
    const [node, ...others] = nodes;
    if (node === undefined || others.length > 0) throw new Error("onbuild trigger should be a single expression");
    const { startLine, endLine } = place.range;
    const instruction = readNode({ ...node, startLine, endLine });
    if (instruction.kind === "from") throw new Error("FROM isn't allowed as an ONBUILD trigger");
    return [instruction];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new BuildError("DOCKERFILE", message, {
      location: place,
      hint: `the base image has the trigger "ONBUILD ${text}"`,
    });
  }
}

function readPlaced(node: RawNode, file: RawFile, fileName: string): Instruction {
  try {
    return readNode(node);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const range = { startLine: node.startLine, endLine: node.endLine };
    throw new BuildError("DOCKERFILE", `dockerfile parse error on line ${node.startLine}: ${message}`, {
      location: { file: fileName, range, text: file.text },
      hint: error instanceof BuildError ? error.hint : wordHint(error, file.text, file.escape, range),
    });
  }
}

const READERS: ReadonlyMap<string, (node: RawNode) => Instruction> = new Map<string, (node: RawNode) => Instruction>([
  ["add", readAdd],
  ["arg", readArg],
  ["cmd", readCmd],
  ["copy", readCopy],
  ["entrypoint", readEntrypoint],
  ["env", readEnv],
  ["expose", readExpose],
  ["from", readFrom],
  ["healthcheck", readHealthcheck],
  ["label", readLabel],
  ["maintainer", readMaintainer],
  ["onbuild", readOnbuild],
  ["run", readRun],
  ["shell", readShell],
  ["stopsignal", readStopSignal],
  ["user", readUser],
  ["volume", readVolume],
  ["workdir", readWorkdir],
]);

/** Throws a plain Error with BuildKit's text. */
function readNode(node: RawNode): Instruction {
  const reader = READERS.get(node.keyword.toLowerCase());
  if (reader === undefined) throw new Error(`unknown instruction: ${node.keyword}${suggestion(node.keyword)}`);
  if (node.original.includes("\0") || node.args.some((arg) => arg.includes("\0"))) {
    throw new Error("instruction contains a NUL byte");
  }
  return reader(node);
}

/** The nearest name, in the case of what was written. */
function suggestion(keyword: string): string {
  const match = nearest(keyword.toLowerCase(), READERS.keys());
  if (match === undefined) return "";
  return ` (did you mean ${keyword === keyword.toUpperCase() ? match.toUpperCase() : match}?)`;
}

/** Sorts instructions into stages. */
class Stages {
  readonly #globalArgs: Arg[] = [];
  readonly #stages: { readonly from: From; readonly instructions: Exclude<Instruction, From>[] }[] = [];
  readonly #file: RawFile;
  readonly #fileName: string;

  constructor(file: RawFile, fileName: string) {
    this.#file = file;
    this.#fileName = fileName;
  }

  add(instruction: Instruction): void {
    const stage = this.#stages.at(-1);
    if (instruction.kind === "from") this.#stages.push({ from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === "arg") this.#globalArgs.push(instruction);
    else
      throw this.#error("no build stage in current context", instruction, "only ARG may stand before the first FROM");
  }

  finish(): { readonly globalArgs: readonly Arg[]; readonly stages: readonly StageText[] } {
    if (this.#stages.length > 0) return { globalArgs: this.#globalArgs, stages: this.#stages };
    throw this.#error("dockerfile contains no stages to build", this.#globalArgs.at(-1), "a Dockerfile needs a FROM");
  }

  #error(message: string, at: Instruction | undefined, hint: string): BuildError {
    const location = at && { file: this.#fileName, range: at.range, text: this.#file.text };
    return new BuildError("DOCKERFILE", message, { location, hint });
  }
}

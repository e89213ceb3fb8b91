// COPY and ADD: one file op with an action for each source; with --link on an empty
// tree of its own, stacked on the stage.

import type { CopyAction, FileOp, ModeSpec, OwnerSpec } from "../../../graph/op.ts";
import { vertex } from "../../../graph/vertex.ts";
import type { Vertex } from "../../../graph/vertex.ts";
import type { Add, Copy } from "../../instruction.ts";
import { isRemote, remoteSource } from "./add-source.ts";
import type { Conversion } from "../conversion.ts";
import { Inputs } from "../conversion.ts";
import { fault } from "../fault.ts";
import { withHistory } from "../config/image-draft.ts";
import { modeSpec, ownerSpec } from "./owner.ts";
import { copyDestination, fromRoot } from "../paths.ts";
import { workingDir } from "../stages/stage.ts";
import type { Command, Stage } from "../stages/stage.ts";
import { fileStep } from "../step.ts";
import type { Step } from "../step.ts";
import { expandContent, expandIn } from "../variables/words.ts";

/** An instruction's words with their variables replaced. */
interface ExpandedCopy {
  readonly sources: readonly string[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly checksum: string;
}

/** A COPY or ADD while its file op is put together. */
interface CopyStep {
  readonly conversion: Conversion;
  readonly command: Command;
  readonly instruction: Copy | Add;
  readonly words: ExpandedCopy;
  readonly step: Step;
  readonly inputs: Inputs;
}

export async function applyCopy(
  conversion: Conversion,
  stage: Stage,
  command: Command,
  instruction: Copy | Add,
): Promise<void> {
  const words = expandCopy(conversion, stage, instruction);
  const contents = inlineContents(conversion, stage, instruction);
  checkSource(stage, command, instruction);
  checkChecksum(words);
  const mode = words.chmod === "" ? undefined : modeSpec(words.chmod);
  const step = fileStep(conversion, stage, command);

  // BuildKit ignores --link where --chmod is given.
  const isLinked = instruction.link && words.chmod === "";
  const inputs = new Inputs();
  const destination = inputs.add(isLinked ? undefined : stage.tree.vertex);
  const owner = words.chown === "" ? undefined : ownerSpec(words.chown, destination < 0);
  const common = commonFields(copyDestination(workingDir(stage), words.destination), owner, mode, instruction.excludes);
  const parts: CopyStep = { conversion, command, instruction, words, step, inputs };
  const actions: CopyAction[] = [];
  for (const source of words.sources) actions.push({ ...common, ...(await sourceFields(parts, source)) });
  for (const file of contents) actions.push({ ...common, ...inlineFields(inputs, file) });

  const op: FileOp = { kind: "file", destination, actions };
  const copied = vertex(op, inputs.list, step.options);
  const result = isLinked ? linked(stage, copied, `${step.prefix}LINK ${step.text}`) : copied;
  stage.tree = { vertex: result, isClient: false, excludes: [] };
  stage.draft = withHistory(stage.draft, `${historyText(instruction, words)} # buildkit`, step.options);
}

function expandCopy(conversion: Conversion, stage: Stage, instruction: Copy | Add): ExpandedCopy {
  const expand = (word: string | undefined): string =>
    word ? expandIn(conversion, stage, instruction.range, word) : "";
  const chown = expand(instruction.chown);
  const chmod = expand(instruction.chmod);
  const checksum = instruction.kind === "add" ? expand(instruction.checksum) : "";
  return {
    sources: instruction.sources.map(expand),
    destination: expand(instruction.destination),
    chown,
    chmod,
    checksum,
  };
}

function checkSource(stage: Stage, command: Command, instruction: Copy | Add): void {
  const [source] = command.sources;
  if (instruction.kind === "copy" && source !== undefined && !source.isDone) {
    throw fault(
      `cannot copy from stage "${instruction.from ?? ""}", it needs to be defined before current stage "${stage.title}"`,
    );
  }
}

function checkChecksum({ checksum, sources }: ExpandedCopy): void {
  if (checksum === "") return;
  if (sources.length !== 1) throw fault("checksum can't be specified for multiple sources");
  if (!sources.every(isRemote)) throw fault("checksum requires HTTP(S) or Git sources");
}

interface InlineContent {
  readonly path: string;
  readonly data: string;
}

function inlineContents(conversion: Conversion, stage: Stage, { inline, range }: Copy | Add): InlineContent[] {
  return inline.map(({ path, content, expand }) => ({
    path: fromRoot(path),
    data: expand ? expandContent(conversion, stage, range, content) : content,
  }));
}

function inlineFields(inputs: Inputs, { path, data }: InlineContent): Pick<CopyAction, "from" | "source"> {
  return { source: path, from: inputs.add(inlineFile(path, data, 0o644)) };
}

/** Where one source is, and what is special to it. */
async function sourceFields(parts: CopyStep, source: string): Promise<Partial<CopyAction>> {
  const { conversion, command, instruction, words, step, inputs } = parts;
  if (isRemote(source)) {
    const remote = remoteSource(instruction, source, words.checksum, step.options);
    return { ...remote.fields, from: inputs.add(remote.vertex) };
  }
  const [stage] = command.sources;
  const tree = stage === undefined ? await conversion.mainContext() : stage.tree;
  if (stage === undefined)
    conversion.findings.ignoredSource(instruction.kind, source, tree.excludes, instruction.range);
  return { ...localFields(instruction, source), from: inputs.add(tree.vertex ?? noFiles()), resetOwner: tree.isClient };
}

function commonFields(
  destination: string,
  owner: OwnerSpec | undefined,
  mode: ModeSpec | undefined,
  excludes: readonly string[],
): CopyAction {
  return {
    action: "copy",
    from: -1,
    source: "/",
    destination,
    ...(owner === undefined ? {} : { owner }),
    ...(mode === undefined ? {} : { mode }),
    allowWildcard: false,
    allowEmptyWildcard: false,
    followSymlinks: false,
    dirContentsOnly: false,
    unpack: false,
    parents: false,
    excludes,
    createDestinationPath: true,
    alwaysReplace: false,
    resetOwner: false,
  };
}

type LocalFields = Pick<
  CopyAction,
  "source" | "allowWildcard" | "allowEmptyWildcard" | "followSymlinks" | "dirContentsOnly" | "unpack" | "parents"
>;

/** What is special to a source in a context or stage: patterns, links, archives, kept parents. */
function localFields(instruction: Copy | Add, source: string): LocalFields {
  const keepsParents = instruction.kind === "copy" && instruction.parents;
  return {
    source: keepsParents ? pivotedSource(source) : fromRoot(source),
    allowWildcard: true,
    allowEmptyWildcard: true,
    followSymlinks: true,
    dirContentsOnly: true,
    unpack: instruction.kind === "add" && (instruction.unpack ?? true),
    parents: keepsParents,
  };
}

/** The source of `--parents`: directories behind "/./" are kept, those before are not. */
function pivotedSource(source: string): string {
  const pivot = source.indexOf("/./");
  if (pivot < 0) return fromRoot(source);
  const base = fromRoot(source.slice(0, pivot));
  return `${base === "/" ? "" : base}/.${fromRoot(source.slice(pivot + 3))}`;
}

/** The empty tree as something to copy from: what is named there is not found. */
function noFiles(): Vertex {
  return vertex({ kind: "file", destination: -1, actions: [] }, [], { name: "[internal] empty file system" });
}

/** A tree with one file, written in the Dockerfile. */
export function inlineFile(path: string, data: string, mode: number): Vertex {
  const op: FileOp = { kind: "file", destination: -1, actions: [{ action: "mkfile", path, mode, data }] };
  return vertex(op, [], { name: "[internal] preparing inline document" });
}

function linked(stage: Stage, copied: Vertex, name: string): Vertex {
  if (stage.tree.vertex === undefined) return copied;
  return vertex({ kind: "merge" }, [stage.tree.vertex, copied], { ...copied.options, name });
}

function historyText(instruction: Copy | Add, { sources, destination, chown, chmod }: ExpandedCopy): string {
  return [
    instruction.kind.toUpperCase(),
    ...(instruction.kind === "copy" && instruction.parents ? ["--parents"] : []),
    ...(chown === "" ? [] : [`--chown=${chown}`]),
    ...(chmod === "" ? [] : [`--chmod=${chmod}`]),
    ...sources,
    ...instruction.inline.map((file) => `<<${file.path}`),
    destination,
  ].join(" ");
}

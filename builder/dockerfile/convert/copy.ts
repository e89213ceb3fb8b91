// COPY and ADD: one file op with an action for each source; with --link on an empty
// tree of its own, stacked on the stage.

import type { CopyAction, FileOp, ModeSpec, OwnerSpec } from "../../graph/op.ts";
import { vertex } from "../../graph/vertex.ts";
import type { Add, Copy } from "../instruction.ts";
import { isRemote, remoteSource } from "./add-source.ts";
import type { Conversion } from "./conversion.ts";
import { Inputs } from "./conversion.ts";
import { withHistory } from "./image-draft.ts";
import { modeSpec, ownerSpec } from "./owner.ts";
import { copyDestination, fromRoot } from "./paths.ts";
import { fault, workingDir } from "./stage.ts";
import type { Command, Stage, Tree } from "./stage.ts";
import { fileStep } from "./step.ts";
import { expandContent, expandIn } from "./words.ts";

/** An instruction's words with their variables replaced. */
export interface ExpandedCopy {
  readonly sources: readonly string[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly checksum: string;
}

export async function applyCopy(
  conversion: Conversion,
  stage: Stage,
  command: Command,
  instruction: Copy | Add,
): Promise<void> {
  const words = expandCopy(conversion, stage, instruction);
  const contents = instruction.inline.map((file) => ({
    path: file.path,
    data: file.expand ? expandContent(conversion, stage, instruction.range, file.content) : file.content,
  }));
  checkSource(stage, command, instruction);
  const mode = words.chmod === "" ? undefined : modeSpec(words.chmod);
  checkChecksum(words);
  const step = fileStep(conversion, stage, command);

  // BuildKit ignores --link where --chmod is given.
  const isLinked = instruction.link && words.chmod === "";
  const inputs = new Inputs();
  const below = isLinked ? undefined : stage.tree.vertex;
  const destination = inputs.add(below);
  const owner = words.chown === "" ? undefined : ownerSpec(words.chown, destination < 0);
  const common = commonFields(copyDestination(workingDir(stage), words.destination), owner, mode, instruction.excludes);
  const actions: CopyAction[] = [];
  for (const source of words.sources) {
    if (isRemote(source)) {
      const remote = remoteSource(instruction, source, words.checksum, step.options);
      actions.push({ ...common, ...remote.fields, from: inputs.add(remote.vertex) });
    } else {
      const tree = await sourceTree(conversion, command);
      if (command.sources.length === 0)
        conversion.findings.ignoredSource(instruction.kind, source, tree.excludes, instruction.range);
      actions.push({
        ...common,
        ...localFields(instruction, source),
        from: inputs.add(tree.vertex),
        resetOwner: tree.isClient,
      });
    }
  }
  for (const file of contents) {
    const path = fromRoot(file.path);
    actions.push({ ...common, source: path, from: inputs.add(inlineFile(path, file.data, 0o644)) });
  }

  const op: FileOp = { kind: "file", destination, actions };
  const copied = vertex(op, inputs.list, step.options);
  stage.tree = {
    vertex: isLinked ? linked(stage, copied, `${step.prefix}LINK ${step.text}`) : copied,
    isClient: false,
    excludes: [],
  };
  stage.draft = withHistory(stage.draft, `${historyText(instruction, words)} # buildkit`, "layer");
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

/** The tree COPY reads: of `--from`, or the main context. */
async function sourceTree(conversion: Conversion, command: Command): Promise<Tree> {
  return command.sources[0]?.tree ?? (await conversion.mainContext());
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

/** A tree with one file, written in the Dockerfile. */
export function inlineFile(path: string, data: string, mode: number): ReturnType<typeof vertex> {
  const op: FileOp = { kind: "file", destination: -1, actions: [{ action: "mkfile", path, mode, data }] };
  return vertex(op, [], { name: "[internal] preparing inline document" });
}

function linked(stage: Stage, copied: ReturnType<typeof vertex>, name: string): ReturnType<typeof vertex> {
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

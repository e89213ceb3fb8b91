// A stage while it is converted: what is known about it, and what it has become so far.
// Stages are the one thing here that changes; everything in them is replaced, not altered.

import type { SourceLocation, SourceRange } from "../../../core/errors.ts";
import type { Platform } from "../../../core/image/platform.ts";
import type { Vertex } from "../../../graph/vertex.ts";
import type { From, Instruction } from "../../instruction.ts";
import { emptyDraft } from "../config/image-draft.ts";
import type { ImageDraft } from "../config/image-draft.ts";
import { Parameters } from "../variables/parameters.ts";
import { StageVariables } from "../variables/variables.ts";

/** An instruction of a stage and the stages it reads from. */
export interface Command {
  readonly instruction: Exclude<Instruction, From>;
  /** COPY --from: one stage. RUN: one for each mount, in order. */
  readonly sources: readonly Stage[];
  /** It comes from a trigger of the base image. */
  readonly isTrigger: boolean;
}

/** A tree of files to read from; no vertex is the empty tree. */
export interface Tree {
  readonly vertex: Vertex | undefined;
  /** The files come from a client, so their owners mean nothing. */
  readonly isClient: boolean;
  /** Patterns of .dockerignore that were applied to it. */
  readonly excludes: readonly string[];
}

export interface Stage {
  /** Name it is found by, lower case; "" for none. */
  readonly name: string;
  /** Name people see: "build", "stage-1"; "" when the file has but one stage. */
  title: string;
  readonly baseName: string;
  readonly from: From | undefined;
  readonly location: SourceLocation;
  /** Not in the file: an image or context that COPY or RUN names directly. */
  readonly isImplicit: boolean;
  /** A named context of the stage's name takes its place. */
  isReplaced: boolean;
  base: Stage | undefined;
  platform: Platform | undefined;
  commands: readonly Command[];
  /** Other stages it reads from, with the instruction that does. */
  readonly dependencies: Map<Stage, SourceRange>;
  readonly ignoreCache: boolean;
  /** What a build can give it; for people who ask, the build itself does not look at it. */
  parameters: Parameters;

  /** What it begins with is loaded. */
  isResolved: boolean;
  /** The triggers that it gives to its children; found when the first one asks. */
  givenTriggers: readonly string[] | undefined;
  /** Its result can be used by instructions that come now. */
  isDone: boolean;

  draft: ImageDraft;
  tree: Tree;
  /** What RUN sees and what instructions expand: ENV and ARG. */
  variables: StageVariables;
  /** A WORKDIR of this Dockerfile came before. */
  hasWorkdir: boolean;
  /** Its ONBUILD instructions so far; a child stage runs them and does not have them. */
  readonly triggers: string[];
  /** Where the last CMD, ENTRYPOINT and HEALTHCHECK of this stage stand. */
  readonly lastUse: Map<"cmd" | "entrypoint" | "healthcheck", SourceRange>;

  stepTotal: number;
  stepIndex: number;
}

export const EMPTY_TREE: Tree = { vertex: undefined, isClient: false, excludes: [] };

/** A stage at its beginning. */
export function newStage(
  known: Pick<Stage, "name" | "title" | "baseName" | "from" | "location" | "isImplicit"> & {
    readonly platform?: Platform | undefined;
    readonly ignoreCache?: boolean;
  },
): Stage {
  return {
    ...known,
    platform: known.platform,
    ignoreCache: known.ignoreCache ?? false,
    parameters: new Parameters(),
    isReplaced: false,
    base: undefined,
    commands: [],
    dependencies: new Map(),
    isResolved: false,
    givenTriggers: undefined,
    isDone: false,
    draft: { ...emptyDraft({ os: "", architecture: "" }), platform: undefined, config: {} },
    tree: EMPTY_TREE,
    variables: StageVariables.none(),
    hasWorkdir: false,
    triggers: [],
    lastUse: new Map(),
    stepTotal: 0,
    stepIndex: 0,
  };
}

/** Takes over what a child stage has of its parent. May be repeated until the stage's own instructions begin. */
export function inherit(stage: Stage): void {
  const { base } = stage;
  if (base === undefined) return;
  const { OnBuild: _, ...config } = base.draft.config;
  stage.tree = base.tree;
  stage.platform = base.platform;
  stage.draft = { ...base.draft, config };
  stage.hasWorkdir = base.hasWorkdir;
  stage.variables = base.variables;
}

/** The operating system that a stage's image is for. */
export function stageOs(stage: Stage): string {
  return stage.platform?.os ?? "linux";
}

/** Where RUN starts and relative paths count from. */
export function workingDir(stage: Stage): string {
  return stage.draft.config.WorkingDir || "/";
}

/** All stages that `target` needs: itself, its base and what that needs, then what it reads from. */
export function reachable(target: Stage): Set<Stage> {
  const found = new Set<Stage>();
  addReachable(found, [target]);
  return found;
}

/** Adds to `found` the stages that are not in it yet, and what they need; returns those that were added. */
export function addReachable(found: Set<Stage>, stages: Iterable<Stage>): Stage[] {
  const added: Stage[] = [];
  // No recursion: a file may chain ten thousand stages.
  const open = [...stages];
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    if (found.has(stage)) continue;
    found.add(stage);
    added.push(stage);
    for (const dependency of [...stage.dependencies.keys()].reverse()) open.push(dependency);
    if (stage.base !== undefined) open.push(stage.base);
  }
  return added;
}

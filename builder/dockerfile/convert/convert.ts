// From a Dockerfile to the graph of one platform and the draft of its image.

import type { Platform } from "../../core/image/platform.ts";
import { formatPlatform, normalizePlatform } from "../../core/image/platform.ts";
import { Faults } from "../faults.ts";
import type { Dockerfile } from "../instruction.ts";
import { globalArgs } from "./variables/args.ts";
import { checkBaseNames, contextTree, resolveBases } from "./stages/bases.ts";
import type { Conversion } from "./conversion.ts";
import { linkStages } from "./stages/dependencies.ts";
import { convertStage } from "./dispatch.ts";
import { setVariable } from "./variables/env.ts";
import type { Variables } from "./variables/env.ts";
import { readEpoch } from "./variables/epoch.ts";
import { fault } from "./fault.ts";
import { Findings } from "./findings.ts";
import { addStages } from "./stages/from.ts";
import { configOf, historyOf } from "./config/image-draft.ts";
import type { ImageDraft } from "./config/image-draft.ts";
import { Parameters } from "./variables/parameters.ts";
import type { ConvertOptions, ConvertWorld, Plan, ResolvedImage } from "./plan.ts";
import { platformArgs } from "./variables/platform-args.ts";
import { StageList } from "./stages/stage-list.ts";
import { addReachable } from "./stages/stage.ts";
import type { Stage, Tree } from "./stages/stage.ts";
import { withSuggestion } from "./suggest.ts";
import { readTriggers } from "./stages/triggers.ts";

/**
 * Converts a Dockerfile for one platform. Only what the target needs is looked up in the
 * world. Throws `DOCKERFILE`, with the place, for what is wrong in the file; errors of the
 * world keep their code.
 */
export async function convert(
  dockerfile: Dockerfile,
  options: ConvertOptions,
  world: ConvertWorld,
  signal: AbortSignal,
): Promise<Plan> {
  const { conversion, target } = await convertToTarget(dockerfile, options, world, signal);
  return planOf(conversion, target);
}

/** As `convert`, with the target's stage instead of a plan. */
export async function convertToTarget(
  dockerfile: Dockerfile,
  options: ConvertOptions,
  world: ConvertWorld,
  signal: AbortSignal,
): Promise<{ readonly conversion: Conversion; readonly target: Stage }> {
  const conversion = await beginConversion(dockerfile, options, world, signal);
  const { stages, findings, faults } = conversion;
  // Each of these needs that the one before went well.
  addStages(conversion);
  faults.throwIfAny();
  const target = findTarget(conversion);
  linkStages(conversion);
  faults.throwIfAny();
  const needed = await resolve(conversion, target);
  for (const stage of stages.all) {
    // A stage that a named context replaces is checked as well.
    const isWanted = options.allStages === true ? !stage.isImplicit : needed.has(stage) && !stage.isDone;
    if (isWanted) await convertStage(conversion, stage);
  }
  faults.throwIfAny();
  findings.throwIfAsked();
  return { conversion, target };
}

/** What the parts of a conversion share, at its beginning. */
export async function beginConversion(
  dockerfile: Dockerfile,
  options: ConvertOptions,
  world: ConvertWorld,
  signal: AbortSignal,
): Promise<Conversion> {
  if (dockerfile.stages.length === 0) throw fault("dockerfile contains no stages to build");
  const mainContext = loadOnce(world);
  const given = requestArgs(options);
  const lastName = dockerfile.stages.at(-1)?.from.stageName ?? "";
  const automatic = platformArgs(
    options.buildPlatform,
    options.targetPlatform,
    options.target || lastName.toLowerCase(),
    given,
  );
  const findings = new Findings(dockerfile, options);
  findings.defaultArgs(dockerfile, automatic);
  const { scope, declared } = globalArgs(dockerfile, automatic, given);
  const { targetPlatform } = options;
  const epoch = await readEpoch(given, scope, { dockerfile, world, targetPlatform, mainContext });
  return {
    dockerfile,
    options,
    world: rememberImages(world),
    signal,
    findings,
    faults: new Faults(),
    stages: new StageList(),
    buildArgs: epoch.buildArgs,
    globalArgs: epoch.globalArgs,
    parameters: new Parameters(declared),
    epochSeconds: epoch.seconds ?? (options.reproducible === true ? 0 : undefined),
    mainContext,
  };
}

/** Build args, with the request's SOURCE_DATE_EPOCH among them. */
function requestArgs({ buildArgs, epochSeconds }: ConvertOptions): Variables {
  if (epochSeconds === undefined || buildArgs.has("SOURCE_DATE_EPOCH")) return buildArgs;
  return setVariable(buildArgs, "SOURCE_DATE_EPOCH", String(epochSeconds));
}

function loadOnce(world: ConvertWorld): () => Promise<Tree> {
  let loaded: Promise<Tree> | undefined;
  return () =>
    (loaded ??= world.mainContext().then((context) => contextTree(context, "[internal] load build context")));
}

/** Asks for an image once a platform, however many stages begin with it. */
function rememberImages(world: ConvertWorld): ConvertWorld {
  const known = new Map<string, Promise<ResolvedImage>>();
  return {
    hasNamedContext: (name, platform) => world.hasNamedContext(name, platform),
    namedContext: (name, platform) => world.namedContext(name, platform),
    mainContext: () => world.mainContext(),
    sourceSeconds: (source) => world.sourceSeconds(source),
    resolveImage: (name, platform) => {
      const key = `${name} ${formatPlatform(platform)}`;
      const image = known.get(key) ?? world.resolveImage(name, platform);
      known.set(key, image);
      return image;
    },
  };
}

function findTarget({ options, stages }: Conversion): Stage {
  if (options.target === undefined || options.target === "") return stages.last();
  const target = stages.byName(options.target);
  if (target === undefined) {
    const message = `target stage "${options.target}" could not be found`;
    throw fault(withSuggestion(message, options.target, stages.titles()), stagesHint(stages));
  }
  return target;
}

const MOST_LISTED = 10;

function stagesHint({ all }: StageList): string {
  const names = all.map(({ name }) => name).filter((name) => name !== "");
  if (names.length === 0) return "no stage has a name";
  return `the stages are ${names.slice(0, MOST_LISTED).join(", ")}${names.length > MOST_LISTED ? ", …" : ""}`;
}

/** Loads base images and reads their triggers until no trigger needs more. */
async function resolve(conversion: Conversion, target: Stage): Promise<ReadonlySet<Stage>> {
  const { stages, options, signal } = conversion;
  const needed = new Set<Stage>();
  let fresh = addReachable(needed, [target]);
  const others = stages.all.filter((stage) => !needed.has(stage));
  if (options.allStages === true) await resolveBases(conversion, others);
  else checkBaseNames(others);
  while (fresh.length > 0) {
    signal.throwIfAborted();
    await resolveBases(conversion, fresh);
    fresh = addReachable(needed, readTriggers(conversion, fresh));
  }
  return needed;
}

function planOf({ options, findings, epochSeconds }: Conversion, target: Stage): Plan {
  const { draft, triggers } = target;
  const config = configOf(draft);
  const labels =
    options.labels.size === 0 ? {} : { Labels: { ...config.Labels, ...Object.fromEntries(options.labels) } };
  const onBuild = triggers.length === 0 ? {} : { OnBuild: triggers };
  const { platform, osVersion, osFeatures } = imagePlatform(draft, options);
  return {
    result: target.tree.vertex,
    platform,
    ...(draft.author === undefined ? {} : { author: draft.author }),
    ...(osVersion === undefined ? {} : { osVersion }),
    ...(osFeatures === undefined ? {} : { osFeatures }),
    config: { ...config, ...workdirOf(draft, platform), ...labels, ...onBuild },
    history: historyOf(draft),
    epochSeconds,
    findings: findings.list,
  };
}

/** On Windows a working directory has backslashes; inside a build it has not. */
function workdirOf(draft: ImageDraft, platform: Platform): Pick<ImageDraft["config"], "WorkingDir"> {
  const { WorkingDir = "" } = draft.config;
  return platform.os === "windows" && WorkingDir !== "" ? { WorkingDir: WorkingDir.replaceAll("/", "\\") } : {};
}

/** The platform that was asked for; without one, that of the base. */
function imagePlatform(
  draft: ImageDraft,
  { targetPlatform: wanted, implicitPlatform }: ConvertOptions,
): { platform: Platform; osVersion: string | undefined; osFeatures: readonly string[] | undefined } {
  const { platform: own, osVersion, osFeatures } = draft;
  if (implicitPlatform === true && own !== undefined)
    return { platform: normalizePlatform(own), osVersion, osFeatures };
  const isSame = own !== undefined && own.os === wanted.os && own.architecture === wanted.architecture;
  const variant = wanted.variant ?? (isSame ? own.variant : undefined);
  return {
    platform: normalizePlatform({
      os: wanted.os,
      architecture: wanted.architecture,
      ...(variant === undefined ? {} : { variant }),
    }),
    osVersion: wanted.osVersion ?? (isSame ? osVersion : undefined),
    osFeatures,
  };
}

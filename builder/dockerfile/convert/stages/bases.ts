// Base images: what stages begin with. Only those that the target needs are loaded.

import { asBuildError, BuildError, withLocation } from "../../../core/errors.ts";
import type { Platform } from "../../../core/image/platform.ts";
import { familiarReference, formatReference, parseReference } from "../../../core/image/reference.ts";
import type { FileOp, SourceOp } from "../../../graph/op.ts";
import type { VertexOptions } from "../../../graph/vertex.ts";
import { vertex } from "../../../graph/vertex.ts";
import type { Conversion } from "../conversion.ts";
import { SCRATCH, hasNamedContext } from "./from.ts";
import { draftOf, emptyDraft } from "../config/image-draft.ts";
import { nextStepPrefix } from "../names.ts";
import { formatFullPlatform } from "../variables/platform-args.ts";
import type { NamedContext, ResolvedImage } from "../plan.ts";
import { EMPTY_TREE } from "./stage.ts";
import type { Stage, Tree } from "./stage.ts";
import { nearest, withSuggestion } from "../suggest.ts";

/** Loads what the given stages begin with, all at once; what is loaded already stays. Throws what could not be, all of it. */
export async function resolveBases(conversion: Conversion, stages: readonly Stage[]): Promise<void> {
  const failed: { readonly stage: Stage; readonly error: unknown }[] = [];
  const resolve = async (stage: Stage): Promise<void> => {
    stage.isResolved = true;
    try {
      await resolveBase(conversion, stage);
      if (stage.isImplicit) stage.isDone = true;
    } catch (error) {
      failed.push({ stage, error });
    }
  };
  await Promise.all(stages.filter((stage) => stage.base === undefined && !stage.isResolved).map(resolve));
  const line = ({ stage }: { readonly stage: Stage }): number => stage.location.range.startLine;
  const [first, ...others] = told(failed.sort((a, b) => line(a) - line(b))).map(({ stage, error }) =>
    withLocation(explained(conversion, stage, error), stage.location),
  );
  if (first !== undefined) throw first.with({ others });
}

const MOST_TOLD = 10;

/** The first ones, without those that say the same. */
function told<Failure extends { readonly error: unknown }>(failed: readonly Failure[]): Failure[] {
  const byMessage = new Map<string, Failure>();
  for (const failure of failed) {
    const { message } = asBuildError(failure.error);
    if (!byMessage.has(message)) byMessage.set(message, failure);
  }
  return [...byMessage.values()].slice(0, MOST_TOLD);
}

/** Refuses base names that cannot be any, of stages whose base is not loaded. */
export function checkBaseNames(stages: readonly Stage[]): void {
  for (const { base, baseName, isReplaced, location } of stages) {
    if (base !== undefined || (baseName === SCRATCH && !isReplaced)) continue;
    try {
      checkName(baseName);
    } catch (error) {
      throw withLocation(error, location);
    }
  }
}

async function resolveBase(conversion: Conversion, stage: Stage): Promise<void> {
  const { targetPlatform } = conversion.options;
  if (stage.baseName === SCRATCH && !stage.isReplaced) {
    stage.tree = EMPTY_TREE;
    stage.draft = emptyDraft(targetPlatform);
    stage.platform = targetPlatform;
    return;
  }
  const reference = checkName(stage.baseName);
  const platform = stage.platform ?? targetPlatform;
  if (stage.isReplaced) {
    await useContext(conversion, stage, stage.name, platform);
    stage.platform = stage.draft.platform ?? stage.platform;
    stage.isDone = true;
  } else if (hasNamedContext(conversion, stage.baseName, platform)) {
    await useContext(conversion, stage, stage.baseName, platform);
    stage.platform = platform;
  } else {
    await useImage(conversion, stage, reference, platform);
  }
}

/** The full form of an image name. Throws when a name cannot be one. */
function checkName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    const reason = asBuildError(error);
    throw new BuildError("DOCKERFILE", `failed to parse stage name "${name}": invalid reference format`, {
      cause: reason,
      hint: /^(?:oci-layout|docker-archive|oci-archive):/.test(name) ? IMAGE_ELSEWHERE : reason.message,
    });
  }
}

const IMAGE_ELSEWHERE =
  "an image that lies in a folder or file gets a name first: FROM base, and --build-context base=oci-layout://DIR:TAG or base=docker-archive:FILE";

async function useContext(conversion: Conversion, stage: Stage, name: string, platform: Platform): Promise<void> {
  const context = await conversion.world.namedContext(name, platform);
  if (context === undefined) throw new BuildError("INTERNAL", `named context "${name}" is gone`);
  const shown = shortName(name);
  stage.draft =
    context.kind === "image" ? draftOf(context.image) : stage.isReplaced ? stage.draft : emptyDraft(platform);
  stage.tree = contextTree(
    context,
    `[context ${shown}] ${context.kind === "image" ? context.image.name : "load from client"}`,
  );
}

function shortName(name: string): string {
  try {
    return familiarReference(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name;
  }
}

async function useImage(conversion: Conversion, stage: Stage, reference: string, platform: Platform): Promise<void> {
  const { options, findings } = conversion;
  const image = await conversion.world.resolveImage(stage.baseName, platform);
  stage.draft = draftOf(image);
  stage.platform =
    stage.platform === undefined && options.implicitPlatform === true
      ? detectPlatform(image, platform, options.buildPlatform)
      : platform;
  const variables = new Map<string, string>();
  const prefix = image.layers === 0 ? "" : nextStepPrefix(conversion, stage, stage.platform, variables, false);
  stage.tree = imageTree(image, { name: `${prefix}FROM ${image.name || reference}`, location: stage.location });
  if (
    image.layers > 0 &&
    (image.platform.os !== stage.platform.os || image.platform.architecture !== stage.platform.architecture)
  ) {
    findings.basePlatform(
      stage.baseName,
      formatFullPlatform(stage.platform),
      formatFullPlatform(image.platform),
      stage.location.range,
    );
  }
}

const COMMON_IMAGES = ["alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"];

/** When there is no such image, its name may be a stage's, misspelt. */
function explained({ stages }: Conversion, { baseName, isImplicit, isReplaced }: Stage, error: unknown): BuildError {
  const reason = asBuildError(error);
  if (isReplaced || !NOT_THERE.has(reason.code)) return reason;
  const { code, message, hint, exitCode } = reason;
  const titles = stages.titles();
  const said = withSuggestion(message, baseName, [...titles, ...COMMON_IMAGES]);
  if (said === message) return reason;
  // What --from names is nearly always a stage.
  const isMisspelt = isImplicit && nearest(baseName, titles) !== undefined;
  return new BuildError(isMisspelt ? "DOCKERFILE" : code, said, { cause: error, hint, exitCode });
}

const NOT_THERE: ReadonlySet<string> = new Set(["REGISTRY", "INPUT_MISSING"]);

/** Without a wanted platform an image of the build's own platform is taken as what it says it is. */
function detectPlatform(image: ResolvedImage, wanted: Platform, build: Platform): Platform {
  const isFor = ({ os, architecture }: Platform): boolean =>
    os === image.platform.os && architecture === image.platform.architecture;
  return !isFor(wanted) && isFor(build) ? build : wanted;
}

function imageTree(image: ResolvedImage, options: VertexOptions): Tree {
  if (image.layers === 0) return EMPTY_TREE;
  const op: SourceOp = { kind: "source", source: { type: "image", id: image.id, name: image.name } };
  return { vertex: vertex(op, [], options), isClient: false, excludes: [] };
}

/** The files of a context; `name` is what progress shows for loading it. */
export function contextTree(context: NamedContext, name: string): Tree {
  switch (context.kind) {
    case "scratch":
      return EMPTY_TREE;
    case "image":
      return imageTree(context.image, { name });
    case "local": {
      const op: SourceOp = {
        kind: "source",
        source: { type: "local", name: context.name, excludes: context.excludes },
      };
      return { vertex: vertex(op, [], { name }), isClient: true, excludes: context.excludes };
    }
    case "source":
      return { vertex: subdirectory(context.vertex, context.subdir), isClient: false, excludes: [] };
  }
}

/** A tree that is one directory of another. */
function subdirectory(whole: Tree["vertex"] & {}, path: string): Tree["vertex"] {
  if (path === "" || path === "/" || path === ".") return whole;
  const op: FileOp = {
    kind: "file",
    destination: -1,
    actions: [
      {
        action: "copy",
        from: 0,
        source: path.startsWith("/") ? path : `/${path}`,
        destination: "/",
        allowWildcard: false,
        allowEmptyWildcard: false,
        followSymlinks: true,
        dirContentsOnly: true,
        unpack: false,
        parents: false,
        excludes: [],
        createDestinationPath: true,
        alwaysReplace: false,
        resetOwner: false,
      },
    ],
  };
  return vertex(op, [whole], { name: `[internal] load ${path}` });
}

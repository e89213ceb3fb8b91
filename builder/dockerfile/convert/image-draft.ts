// The image a stage is making: config and history. Instructions replace parts of it;
// a child stage starts from its parent's.

import type { HistoryEntry, RuntimeConfig } from "../../core/image-config.ts";
import type { Platform } from "../../core/platform.ts";
import type { VertexOptions } from "../../graph/vertex.ts";
import { setConfigEnv, splitVariable } from "./env.ts";
import type { ResolvedImage } from "./plan.ts";

export interface ImageDraft {
  /** Of the image's own config; undefined for what has none (a local directory). */
  readonly platform: Platform | undefined;
  readonly author: string | undefined;
  readonly osVersion: string | undefined;
  readonly osFeatures: readonly string[] | undefined;
  readonly config: RuntimeConfig;
  readonly history: readonly HistoryEntry[];
}

const HISTORY_COMMENT = "buildkit.dockerfile.v0";

const UNIX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The draft of `FROM scratch`. */
export function emptyDraft(platform: Platform): ImageDraft {
  const env = platform.os === "windows" ? {} : { Env: [`PATH=${UNIX_PATH}`] };
  return {
    platform,
    author: undefined,
    osVersion: platform.osVersion,
    osFeatures: undefined,
    config: { WorkingDir: "/", ...env },
    history: [],
  };
}

/** The draft of a base image. */
export function draftOf(image: ResolvedImage): ImageDraft {
  return {
    platform: image.platform,
    author: image.author,
    osVersion: image.osVersion,
    osFeatures: image.osFeatures,
    config: image.config,
    history: image.history,
  };
}

/** With PATH in the config's environment, where the system has a default for it. */
export function withDefaultPath(draft: ImageDraft, os: string): ImageDraft {
  const env = draft.config.Env ?? [];
  if (os === "windows" || env.some((entry) => splitVariable(entry)[0] === "PATH")) return draft;
  return withConfig(draft, { Env: [...env, `PATH=${UNIX_PATH}`] });
}

/** With fields of the config replaced; one that is undefined goes away. */
export function withConfig(
  draft: ImageDraft,
  change: { readonly [Field in keyof RuntimeConfig]: RuntimeConfig[Field] | undefined },
): ImageDraft {
  const fields = Object.entries({ ...draft.config, ...change }).filter(([, value]) => value !== undefined);
  return { ...draft, config: Object.fromEntries(fields) };
}

/** With a variable in the config's environment. */
export function withEnv(draft: ImageDraft, name: string, value: string): ImageDraft {
  return withConfig(draft, { Env: setConfigEnv(draft.config.Env ?? [], name, value) });
}

/** With one more history entry: of a step that makes a layer, or of an instruction that makes none. What comes from a running step ends in "# buildkit" there. */
export function withHistory(draft: ImageDraft, createdBy: string, made: VertexOptions | "empty"): ImageDraft {
  const entry: HistoryEntry = {
    created_by: createdBy,
    comment: HISTORY_COMMENT,
    ...(made === "empty" ? { empty_layer: true } : { step: made.name }),
  };
  return { ...draft, history: [...draft.history, entry] };
}

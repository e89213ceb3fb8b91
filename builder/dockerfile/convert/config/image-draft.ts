// The image a stage is making: config and history. Instructions replace parts of it; a child stage starts from its
// parent's. What grows with the file (variables, labels, history) is kept as a list of what was added, which many stages
// may share, and is put together when the image is asked for.

import type { HistoryEntry, InstructionPlace, RuntimeConfig } from "../../../core/image/image-config.ts";
import type { Platform } from "../../../core/image/platform.ts";
import { append, itemsOf } from "../../../core/shared-list.ts";
import type { SharedList } from "../../../core/shared-list.ts";
import type { VertexOptions } from "../../../graph/vertex.ts";
import { splitVariable } from "../variables/env.ts";
import { fault } from "../fault.ts";
import type { ResolvedImage } from "../plan.ts";

/** What an instruction adds to one of the config's collections; a later value of a name counts. */
export type Addition =
  | { readonly to: "Env" | "Labels"; readonly name: string; readonly value: string }
  | { readonly to: "ExposedPorts" | "Volumes"; readonly names: readonly string[] };

export interface ImageDraft {
  /** Of the image's own config; undefined for what has none (a local directory). */
  readonly platform: Platform | undefined;
  readonly author: string | undefined;
  readonly osVersion: string | undefined;
  readonly osFeatures: readonly string[] | undefined;
  /** Without what was added. */
  readonly config: RuntimeConfig;
  readonly added: SharedList<Addition>;
  readonly history: SharedList<HistoryEntry>;
  /** Characters of what was added, to the config and to the history. */
  readonly addedChars: number;
}

const HISTORY_COMMENT = "buildkit.dockerfile.v0";

const UNIX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A config is read whole by all who use the image. A few lines can ask for gigabytes: ENV A=$A$A, or EXPOSE 1-65535. */
const MAX_ADDED_CHARS = 64 * 1024 * 1024;

/** The draft of `FROM scratch`. */
export function emptyDraft(platform: Platform): ImageDraft {
  const env = platform.os === "windows" ? {} : { Env: [`PATH=${UNIX_PATH}`] };
  return {
    platform,
    author: undefined,
    osVersion: platform.osVersion,
    osFeatures: undefined,
    config: { WorkingDir: "/", ...env },
    ...NOTHING_ADDED,
  };
}

const NOTHING_ADDED = { added: undefined, history: undefined, addedChars: 0 };

/** The draft of a base image. */
export function draftOf(image: ResolvedImage): ImageDraft {
  return {
    platform: image.platform,
    author: image.author,
    osVersion: image.osVersion,
    osFeatures: image.osFeatures,
    config: image.config,
    ...NOTHING_ADDED,
    // Nothing but what a config may say: what this build adds to an entry is not for a base image to say.
    history: image.history
      .map(({ step: _step, place: _place, ...entry }): HistoryEntry => entry)
      .reduce<SharedList<HistoryEntry>>(append, undefined),
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

/** With something added to the config. */
export function withAddition(draft: ImageDraft, addition: Addition): ImageDraft {
  return { ...draft, added: append(draft.added, addition), addedChars: counted(draft, charsOf(addition)) };
}

/** With the place of an instruction in the history entries that it added to `known`. */
export function withPlace(draft: ImageDraft, known: SharedList<HistoryEntry>, place: InstructionPlace): ImageDraft {
  const made: HistoryEntry[] = [];
  for (let at = draft.history; at !== undefined && at !== known; at = at.before) made.push({ ...at.item, place });
  return made.length === 0
    ? draft
    : { ...draft, history: made.reverse().reduce<SharedList<HistoryEntry>>(append, known) };
}

/** With one more history entry: of a step that makes a layer, or of an instruction that makes none. What comes from a running step ends in "# buildkit" there. */
export function withHistory(draft: ImageDraft, createdBy: string, made: VertexOptions | "empty"): ImageDraft {
  const entry: HistoryEntry = {
    created_by: createdBy,
    comment: HISTORY_COMMENT,
    ...(made === "empty" ? { empty_layer: true } : { step: made.name }),
  };
  return { ...draft, history: append(draft.history, entry), addedChars: counted(draft, createdBy.length) };
}

/** The whole config. */
export function configOf({ config, added }: ImageDraft): RuntimeConfig {
  const env = new EnvList(config.Env ?? []);
  const labels = new Map(Object.entries(config.Labels ?? {}));
  const ports = new Map(Object.entries(config.ExposedPorts ?? {}));
  const volumes = new Map(Object.entries(config.Volumes ?? {}));
  for (const addition of itemsOf(added)) {
    switch (addition.to) {
      case "Env":
        env.set(addition.name, addition.value);
        break;
      case "Labels":
        labels.set(addition.name, addition.value);
        break;
      case "ExposedPorts":
        for (const name of addition.names) ports.set(name, {});
        break;
      case "Volumes":
        for (const name of addition.names) volumes.set(name, {});
        break;
    }
  }
  return {
    ...config,
    ...(env.list.length > 0 ? { Env: env.list } : {}),
    ...(labels.size > 0 ? { Labels: Object.fromEntries(labels) } : {}),
    ...(ports.size > 0 ? { ExposedPorts: Object.fromEntries(ports) } : {}),
    ...(volumes.size > 0 ? { Volumes: Object.fromEntries(volumes) } : {}),
  };
}

/** The whole history, oldest first. */
export function historyOf({ history }: ImageDraft): HistoryEntry[] {
  return itemsOf(history);
}

/** A config's Env: a variable that is there is set in its place, at its first mention. */
class EnvList {
  readonly list: string[];
  readonly #places = new Map<string, number>();

  constructor(entries: readonly string[]) {
    this.list = [...entries];
    for (const [at, entry] of entries.entries()) {
      const [name] = splitVariable(entry);
      if (!this.#places.has(name)) this.#places.set(name, at);
    }
  }

  set(name: string, value: string): void {
    const place = this.#places.get(name) ?? this.list.length;
    this.#places.set(name, place);
    this.list[place] = `${name}=${value}`;
  }
}

function charsOf(addition: Addition): number {
  switch (addition.to) {
    case "Env":
    case "Labels":
      return addition.name.length + addition.value.length;
    case "ExposedPorts":
    case "Volumes":
      return addition.names.reduce((sum, name) => sum + name.length, 0);
  }
}

function counted({ addedChars }: ImageDraft, more: number): number {
  const sum = addedChars + more;
  if (sum <= MAX_ADDED_CHARS) return sum;
  throw fault(
    `the image's config is larger than ${MAX_ADDED_CHARS} characters`,
    "variables, labels, ports and the history are all kept in it",
  );
}

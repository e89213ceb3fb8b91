// The image config: from the draft that the Dockerfile gives and the layers that the
// build made, to the exact bytes whose digest is the image id.

import { formatTime } from "../core/clock.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type {
  ConfigDraft,
  HealthConfig,
  HistoryEntry,
  ImageConfig,
  RuntimeConfig,
} from "../core/image/image-config.ts";
import type { JsonObject } from "./json.ts";
import { goJson, isEmpty, omitEmpty, sortedMap } from "./json.ts";

/** A config and its bytes. */
export interface AssembledConfig {
  readonly config: ImageConfig;
  readonly bytes: Uint8Array;
  /** sha256 of the bytes: the image id. */
  readonly digest: Digest;
}

/** A layer as a config sees it. */
export interface ConfigLayer {
  readonly diffId: Digest;
  /** When it was made, in ms since the epoch; undefined for a base image's. */
  readonly createdMs?: number | undefined;
}

/**
 * The config of a build's result. With `epochSeconds` (SOURCE_DATE_EPOCH) that is its time; else each layer has its own,
 * so that a build of which everything is cached has the same id again, and `createdMs` is only for an image without any.
 * History entries of the base image keep theirs. Layers that the history does not mention (bases made without one) get an entry.
 */
export function assembleConfig(
  draft: ConfigDraft,
  layers: readonly ConfigLayer[],
  createdMs: number,
  epochSeconds?: number,
): AssembledConfig {
  const epoch = epochSeconds === undefined ? undefined : formatTime(epochSeconds * 1000);
  const history = completeHistory(draft.history, layers, epoch, formatTime(createdMs));
  const created = epoch ?? history.at(-1)?.created ?? formatTime(createdMs);
  const diffIds = layers.map(({ diffId }) => diffId);
  const config: ImageConfig = {
    architecture: draft.architecture,
    ...(draft.author === undefined ? {} : { author: draft.author }),
    config: draft.config,
    created,
    history,
    ...(draft.inlineCache === undefined ? {} : { [INLINE_CACHE]: draft.inlineCache }),
    os: draft.os,
    ...(draft.osFeatures === undefined ? {} : { "os.features": draft.osFeatures }),
    ...(draft.osVersion === undefined ? {} : { "os.version": draft.osVersion }),
    rootfs: { type: "layers", diff_ids: diffIds },
    ...(draft.variant === undefined ? {} : { variant: draft.variant }),
  };
  const bytes = marshalConfig(config);
  return { config, bytes, digest: digestOf(bytes) };
}

/** Where BuildKit looks for the cache that an image carries. */
export const INLINE_CACHE = "moby.buildkit.cache.v0";

/** The descriptor of a config in the OCI or Docker family. */
export function configDescriptor(assembled: AssembledConfig, family: "oci" | "docker"): Descriptor {
  return {
    mediaType: family === "oci" ? MEDIA.ociConfig : MEDIA.dockerConfig,
    digest: assembled.digest,
    size: assembled.bytes.length,
  };
}

// BuildKit goes through a Go map at the top (sorted keys) and through structs below it.
function marshalConfig(config: ImageConfig): Uint8Array {
  const { config: runtime, history = [], rootfs, ...others } = config;
  const top = {
    ...omitEmpty(others),
    config: marshalRuntime(runtime ?? {}),
    history: history.map(marshalHistory),
    rootfs: { type: rootfs.type, diff_ids: rootfs.diff_ids },
  };
  return Buffer.from(goJson(sortedMap<unknown>(top)));
}

const RUNTIME_ORDER = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
];
const MAP_FIELDS = new Set(["ExposedPorts", "Volumes", "Labels"]);

function marshalRuntime(runtime: RuntimeConfig): JsonObject {
  const known = new Set(RUNTIME_ORDER);
  const others = Object.keys(runtime)
    .filter((key) => !known.has(key))
    .sort();
  const fields = [...RUNTIME_ORDER, ...others].map((key): [string, unknown] => {
    const value = runtime[key];
    if (MAP_FIELDS.has(key) && !isEmpty(value)) return [key, sortedMap(value as Record<string, unknown>)]; // maps by RuntimeConfig's type
    if (key === "Healthcheck" && runtime.Healthcheck !== undefined) return [key, marshalHealth(runtime.Healthcheck)];
    return [key, value];
  });
  return omitEmpty(Object.fromEntries(fields));
}

function marshalHealth(health: HealthConfig): JsonObject {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = health;
  return omitEmpty({ Test, Interval, Timeout, StartPeriod, StartInterval, Retries });
}

function marshalHistory(entry: HistoryEntry): JsonObject {
  const { created, created_by, author, comment, empty_layer } = entry;
  return omitEmpty({ created, created_by, author, comment, empty_layer });
}

// As BuildKit does. Layers without an entry (of a base made without a history, or of a directory as base) are told of
// at the end, by the names of the steps that made the topmost layers. Entries without a layer (a squashed base that
// kept its old history) become empty ones.
function completeHistory(
  draft: readonly HistoryEntry[],
  layers: readonly ConfigLayer[],
  epoch: string | undefined,
  fallback: string,
): readonly HistoryEntry[] {
  const timeOf = (layer: ConfigLayer | undefined): string | undefined =>
    epoch ?? (layer?.createdMs === undefined ? undefined : formatTime(layer.createdMs));
  let described = 0;
  const history = draft.map((entry): HistoryEntry => {
    if (entry.empty_layer === true) return entry;
    const layer = layers[described++];
    const created = entry.created ?? timeOf(layer);
    return {
      ...entry,
      ...(created === undefined ? {} : { created }),
      ...(layer === undefined ? { empty_layer: true } : {}),
    };
  });
  const missing = Math.max(0, layers.length - described);
  const steps = draft.filter((entry) => entry.empty_layer !== true).map((entry) => entry.step);
  const told = layers.slice(layers.length - missing).map((layer, i): HistoryEntry => {
    const created = timeOf(layer);
    return {
      ...(created === undefined ? {} : { created }),
      created_by: steps[steps.length - missing + i] ?? "layer of the base image",
      comment: "buildkit.exporter.image.v0",
    };
  });
  return dated([...history, ...told], epoch, fallback);
}

// What makes no layer has the time of the layer before it; before the first new layer, that one's.
function dated(history: readonly HistoryEntry[], epoch: string | undefined, fallback: string): readonly HistoryEntry[] {
  const firstOpen = history.findIndex((entry) => entry.created === undefined);
  const firstNew = history.findIndex((entry, at) => at > firstOpen && entry.created !== undefined);
  const before = history[firstOpen - 1]?.created;
  let time = epoch ?? history[firstNew]?.created ?? before ?? fallback;
  let isPastOpen = false;
  return history.map((entry) => {
    if (entry.created === undefined) {
      isPastOpen = true;
      return { ...entry, created: time };
    }
    if (isPastOpen && epoch === undefined) time = entry.created;
    return entry;
  });
}

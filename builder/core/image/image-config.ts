// The image config (OCI image-spec, config.md, with Docker's extensions), as data.

import type { Digest } from "../digest.ts";

/** Health check of Docker's config; durations in ns. */
export interface HealthConfig {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The `config` object: what a container made of the image starts with. Field names are the format's. */
export interface RuntimeConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: HealthConfig;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  readonly [other: string]: unknown;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
  /** Of a layer that this build makes: the name of its step. Not part of the config. */
  readonly step?: string;
  /** Of an instruction of this build: where it stands. Not part of the config. */
  readonly place?: InstructionPlace;
}

/** A line of a Dockerfile, counted from 1. */
export interface InstructionPlace {
  /** As the person named it. */
  readonly file: string;
  readonly line: number;
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly config?: RuntimeConfig;
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
}

/** A config without its layers' identities: what the conversion of a Dockerfile gives to the assembly. */
export interface ConfigDraft {
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly config: RuntimeConfig;
  /** Cache records that travel with the image, as base64. */
  readonly inlineCache?: string;
  /** Entries without `empty_layer` stand for the layers, in order; the base image's come first. Those without `created` get the build's time. */
  readonly history: readonly HistoryEntry[];
}

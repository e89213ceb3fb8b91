// What `tsbuild run` asks of the engine: one process in the rootfs of an image, on this process's own streams.

import type { SnapshotterName } from "./choose-snapshotter.ts";
import type { EventSink } from "./core/events.ts";
import type { Platform } from "./core/image/platform.ts";
import type { ExpandName } from "./core/image/reference.ts";
import type { Session } from "./core/session.ts";
import type { DnsSettings, MountSpec, RequiredSandbox, SignalSource, Ulimit } from "./executor/executor.ts";
import type { UnpackLimits } from "./layer/unpack-limits.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";

export type { SignalSource } from "./executor/executor.ts";

/** What is mounted for a run: a folder or file of this machine (absolute), or memory. */
export type RunMount = Exclude<MountSpec, { kind: "overlay" }>;

/** When a registry is asked for an image that is named. */
export type PullPolicy = "always" | "missing" | "never";

/** How an image is come by. */
export interface ImageRequest {
  /** Root folder of the store, absolute. */
  readonly root: string;
  /** A name, an id, or a place and a name there (docs/manual.md, "Names of images"). */
  readonly image: string;
  readonly platform: Platform;
  readonly pull: PullPolicy;
  readonly session: Session;
  /** Of a pull. */
  readonly events: EventSink;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Where registries are reached. */
  readonly router: RegistryRouter;
  /** What an image name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  readonly environment: ReadonlyMap<string, string>;
  /** How much layers and archives may unpack to; undefined: the defaults. */
  readonly limits?: UnpackLimits | undefined;
}

/** Everything one run is asked for. What is undefined is the image's. */
export interface RunRequest extends ImageRequest {
  /** Replaces the image's command; undefined keeps it (unless `entrypoint` replaces it away). */
  readonly command: readonly string[] | undefined;
  /** Replaces the image's entrypoint and drops its command. Empty: no entrypoint. */
  readonly entrypoint: readonly string[] | undefined;
  /** Over the image's environment; undefined takes a variable away. */
  readonly env: ReadonlyMap<string, string | undefined>;
  /** "user[:group]", names or numbers. */
  readonly user: string | undefined;
  /** More groups, names or numbers. */
  readonly groups: readonly string[];
  /** Absolute. */
  readonly workdir: string | undefined;
  readonly mounts: readonly RunMount[];
  /** The rootfs cannot be written; the image's volumes can. */
  readonly readOnly: boolean;
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  /** Names of capabilities, as people write them. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** All capabilities, no seccomp. */
  readonly privileged: boolean;
  readonly network: "default" | "host" | "none";
  readonly hostname: string;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly dns: DnsSettings;
  /** Hand over standard input; else it is empty. */
  readonly interactive: boolean;
  /** Give the process a terminal, of this kind (TERM). */
  readonly terminal: string | undefined;
  /** Passed on to the program once it runs. */
  readonly signals: SignalSource;
  readonly requireSandbox: RequiredSandbox | undefined;
  /** How the rootfs is made; undefined: whatever works best. */
  readonly snapshotter?: SnapshotterName | undefined;
}

/** How the process ended. */
export interface RunResult {
  /** 128 + number when it died of a signal. */
  readonly exitCode: number;
}

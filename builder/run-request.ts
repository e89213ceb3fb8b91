// What `tsbuild run` asks of the engine: one process in the rootfs of an image, on this process's own terminal.

import type { SnapshotterName } from "./choose-snapshotter.ts";
import type { EventSink } from "./core/events.ts";
import type { Platform } from "./core/platform.ts";
import type { Session } from "./core/session.ts";
import type { DriverName } from "./executor/executor.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";

/** Everything one run is asked for. What is undefined is the image's. */
export interface RunRequest {
  /** Root folder of the store, absolute. */
  readonly root: string;
  /** A name in the store, else in a registry; or an image id of the store ("sha256:…"). */
  readonly image: string;
  readonly platform: Platform;
  /** Replaces the image's command; undefined keeps it (unless `entrypoint` replaces it away). */
  readonly command: readonly string[] | undefined;
  /** Replaces the image's entrypoint and drops its command. Empty: no entrypoint. */
  readonly entrypoint: readonly string[] | undefined;
  /** Added to the image's environment, over it. */
  readonly env: ReadonlyMap<string, string>;
  /** "user[:group]", names or numbers. */
  readonly user: string | undefined;
  readonly workdir: string | undefined;
  readonly network: "default" | "host" | "none";
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  /** Hand over standard input; else it is empty. */
  readonly interactive: boolean;
  /** Give the process a terminal. */
  readonly tty: boolean;
  readonly requireSandbox: DriverName | undefined;
  /** How the rootfs is made; undefined: whatever works best. */
  readonly snapshotter?: SnapshotterName | undefined;
  readonly session: Session;
  /** Of a pull, when the image is not in the store. */
  readonly events: EventSink;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Where registries are reached. */
  readonly router: RegistryRouter;
  /** What an image name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ((name: string) => Promise<string>) | undefined;
  readonly environment: ReadonlyMap<string, string>;
}

/** How the process ended. */
export interface RunResult {
  /** 128 + number when it died of a signal. */
  readonly exitCode: number;
}

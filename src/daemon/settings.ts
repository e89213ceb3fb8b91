// What whoever started the daemon decided: for all clients alike.

import type { DiskSettings } from "../../builder/disk-settings.ts";
import type { RequiredSandbox } from "../../builder/request.ts";
import type { LocalRegistries } from "../config/registries.ts";

export interface DaemonSettings {
  /** Root of the store, absolute. */
  readonly root: string;
  /** Entitlements that clients may ask for: network.host, security.insecure. */
  readonly entitlements: readonly string[];
  /** Whose store it is; "" where it is nobody's in particular. */
  readonly tenant: string;
  /** RUN steps of all builds at a time. */
  readonly maxParallelism: number | undefined;
  /** Of those, what this tenant may have. */
  readonly mostTurns?: number | undefined;
  /** Builds that ended and are remembered; those that are pinned are no part of it. */
  readonly mostRecords?: number | undefined;
  /** How much of the disk the store may have; undefined: the defaults. */
  readonly disk?: DiskSettings | undefined;
  /** Where steps of builds that name no cgroup are put below; undefined: they stay in the daemon's. */
  readonly cgroupParent?: string | undefined;
  readonly requireSandbox: RequiredSandbox | undefined;
  /** What git and proxies may see. */
  readonly environment: ReadonlyMap<string, string>;
  /** Where registries are reached; `insecure` are hosts that one build asked to reach without TLS. */
  registries(insecure: readonly string[]): Pick<LocalRegistries, "router" | "expandName">;
}

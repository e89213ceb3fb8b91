// What whoever started the daemon decided: for all clients alike.

import type { DriverName } from "../../builder/request.ts";
import type { LocalRegistries } from "../config/registries.ts";

export interface DaemonSettings {
  /** Root of the store, absolute. */
  readonly root: string;
  /** Entitlements that clients may ask for: network.host, security.insecure. */
  readonly entitlements: readonly string[];
  /** RUN steps of one build at a time. */
  readonly maxParallelism: number | undefined;
  readonly requireSandbox: DriverName | undefined;
  /** What git and proxies may see. */
  readonly environment: ReadonlyMap<string, string>;
  /** Where registries are reached; `insecure` are hosts that one build asked to reach without TLS. */
  registries(insecure: readonly string[]): Pick<LocalRegistries, "router" | "expandName">;
}

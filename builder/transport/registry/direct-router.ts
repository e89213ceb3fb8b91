// The route without configuration files: every registry is asked itself, by Docker's rules for its protocol.

import { isLoopback } from "./http/connections.ts";
import type { RegistryRouter } from "./endpoints.ts";

export interface DirectOptions {
  /** Hosts ("registry.example:5000") reached by plain HTTP or without certificate check. */
  readonly insecure: readonly string[];
}

/** A router that knows no mirrors. A registry on this machine is plain http; a named insecure one may be either. */
export function directRouter({ insecure }: DirectOptions): RegistryRouter {
  return async ({ registry, repository }) => {
    const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
    const [isLocal, isInsecure] = [isLoopback(host), insecure.includes(host)];
    const origins = isLocal
      ? [`http://${host}`, `https://${host}`]
      : isInsecure
        ? [`https://${host}`, `http://${host}`]
        : [`https://${host}`];
    const endpoint = {
      registry,
      repository,
      origins,
      isMirror: false,
      serves: "all",
      tls: { isUnchecked: isLocal || isInsecure },
      headers: {},
    } as const;
    return { endpoints: [endpoint], because: [] };
  };
}

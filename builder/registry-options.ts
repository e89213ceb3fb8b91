// How registries are reached on behalf of a request, whether something is built, run or pushed.

import type { Session } from "./core/session.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";

/** The part of a request that registries are told of. */
export interface RegistryAccess {
  /** Where registries are reached, as the door's configuration has it. */
  readonly router: RegistryRouter;
  readonly session: Session;
  readonly environment: ReadonlyMap<string, string>;
}

/** A request's options for the registry client; credentials are asked of its session. */
export function registryOptions({ router, session, environment }: RegistryAccess): RegistryOptions {
  return {
    router,
    credentials: (registry, repository) => session.credentials(registry, repository),
    environment,
  };
}

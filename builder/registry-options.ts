// How registries are reached on behalf of a request, whether something is built, run or pushed.

import type { Session } from "./core/session.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import { directRouter } from "./transport/registry/direct-router.ts";

/** The part of a request that registries are told of. */
export interface RegistryAccess {
  readonly insecureRegistries: readonly string[];
  readonly session: Session;
  readonly environment: ReadonlyMap<string, string>;
}

/** A request's options for the registry client; credentials are asked of its session. */
export function registryOptions({ insecureRegistries, session, environment }: RegistryAccess): RegistryOptions {
  const router = directRouter({ insecure: insecureRegistries });
  return { router, credentials: (registry) => session.credentials(registry), environment };
}

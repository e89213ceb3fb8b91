// How registries are reached on behalf of a request, whether something is built, run or pushed.

import { BuildError } from "./core/errors.ts";
import type { DaemonEndpoint, Session } from "./core/session.ts";
import type { RegistryOptions } from "./transport/registry/client.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";
import { RETRY } from "./transport/registry/http/retry.ts";

/** The part of a request that registries are told of. */
export interface RegistryAccess {
  /** Where registries are reached, as the door's configuration has it. */
  readonly router: RegistryRouter;
  readonly session: Session;
  readonly environment: ReadonlyMap<string, string>;
  /** Further attempts where a registry does not answer; never fewer than there are by default. */
  readonly registryRetries?: number;
}

/** A request's options for the registry client; credentials are asked of its session. */
export function registryOptions({
  router,
  session,
  environment,
  registryRetries = 0,
}: RegistryAccess): RegistryOptions {
  return {
    ...(registryRetries > RETRY.retries ? { retry: { ...RETRY, retries: registryRetries } } : {}),
    router,
    credentials: (registry, repository) => session.credentials(registry, repository),
    environment,
  };
}

/** The docker daemon of whoever asked. Throws `UNSUPPORTED` when there is none to speak of. */
export async function daemonOf({ session }: Pick<RegistryAccess, "session">): Promise<DaemonEndpoint> {
  if (session.dockerDaemon === undefined) throw new BuildError("UNSUPPORTED", "there is no docker daemon here");
  return await session.dockerDaemon();
}

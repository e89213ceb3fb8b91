// Whether a registry takes a login, before anybody keeps it.

import { BuildError } from "./core/errors.ts";
import type { Credentials } from "./core/session.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";

/** A login to try. */
export interface LoginRequest {
  /** Host and port: "docker.io". */
  readonly registry: string;
  readonly credentials: Credentials;
  readonly router: RegistryRouter;
  /** For the proxies it names. */
  readonly environment: ReadonlyMap<string, string>;
}

/**
 * Logs in to a registry. What to keep: the credentials, or in their place an identity token that the registry's token
 * server gave for them. Throws `REGISTRY` when it refuses, cannot be reached, or is no registry.
 */
export async function checkLogin(
  { registry, credentials, router, environment }: LoginRequest,
  signal: AbortSignal,
): Promise<Credentials> {
  const { endpoints, push } = await router({ registry, repository: "" });
  const endpoint = push ?? endpoints.at(-1);
  if (endpoint === undefined) throw new BuildError("INTERNAL", `there is no route to "${registry}"`);
  const { tryLogin } = await import("./transport/registry/auth/login.ts");
  return await tryLogin(endpoint, credentials, environment, signal);
}

// A login tried at a registry: a request for /v2/ itself, which is what the specification has for it
// (distribution-spec, "Determining Support").

import { BuildError } from "../../../core/errors.ts";
import type { Credentials } from "../../../core/session.ts";
import { RegistryAuth } from "./auth.ts";
import { openEndpoint } from "../http/endpoint-http.ts";
import type { RegistryEndpoint } from "../endpoints.ts";
import { apiOf } from "../endpoints.ts";
import { refusalOf } from "../http/failure.ts";
import { discard } from "../http/http.ts";
import { findOrigin } from "../http/origin.ts";

/**
 * Logs in at a place. What is to be kept: the credentials, or an identity token when the place's token server gives one
 * for them, so that the password need not be. Throws `REGISTRY`.
 */
export async function tryLogin(
  endpoint: RegistryEndpoint,
  credentials: Credentials,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Credentials> {
  const { registry } = endpoint;
  const { http, allowsPlain, headers } = openEndpoint(endpoint, { environment });
  let identityToken: string | undefined;
  const auth = new RegistryAuth({
    registry,
    http,
    allowsPlain,
    credentials: () => Promise.resolve(credentials),
    onIdentityToken: (token) => void (identityToken = token),
  });
  try {
    const url = new URL(`${await findOrigin(endpoint, http, signal)}${apiOf(endpoint)}/`);
    let response = await http.send({ method: "GET", url, headers }, signal);
    if (response.status === 401) {
      discard(response);
      const challenge = response.headers["www-authenticate"];
      await auth.answer(challenge, "", undefined, url, signal).catch(refuse);
      const authorization = await auth.headerFor("", signal);
      if (authorization === undefined) throw new BuildError("INTERNAL", "a challenge was answered with nothing");
      response = await http.send({ method: "GET", url, headers: { ...headers, authorization } }, signal);
    }
    if (response.status === 401) {
      discard(response);
      refuse(await auth.refused());
    }
    if (response.status !== 200) throw await refusalOf(response, `login to "${registry}"`);
    discard(response);
    return identityToken === undefined ? credentials : { username: credentials.username, password: "", identityToken };
  } finally {
    http.close();
  }
}

/** The same without its hint, which is to log in. */
function refuse(error: unknown): never {
  if (!(error instanceof BuildError) || error.hint?.includes("tsbuild login") !== true) throw error;
  throw new BuildError(error.code, error.message, { hint: "are the name and the password (or access token) right?" });
}

// `docker login`: the daemon tries a login at its registry. The client keeps it; here it is forgotten at once.

import * as v from "valibot";
import { checkLogin } from "../../../builder/login.ts";
import { asBuildError } from "../../../builder/core/errors.ts";
import { hostOf } from "../../config/credentials/credentials.ts";
import { HttpError, readJson, sendJson } from "../http/answer.ts";
import type { Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { credentialsOf, Login } from "./registry-auth.ts";

/** The route that tries a login. */
export function loginRoute(settings: DaemonSettings): Route {
  return {
    method: "POST",
    pattern: "/auth",
    handler: async ({ body, signal }, response) => {
      const read = v.safeParse(Login, await readJson(body));
      const credentials = read.success ? credentialsOf(read.output) : undefined;
      if (!read.success || credentials === undefined) throw new HttpError(400, "the body is no login");
      const registry = hostOf(read.output.serveraddress || "docker.io");
      const { router } = settings.registries([]);
      const { environment } = settings;
      let kept;
      try {
        kept = await checkLogin({ registry, credentials, router, environment }, signal);
      } catch (error) {
        signal.throwIfAborted();
        const known = asBuildError(error);
        throw known.code === "REGISTRY" ? new HttpError(401, known.message) : known;
      }
      sendJson(response, 200, { Status: "Login Succeeded", IdentityToken: kept.identityToken ?? "" });
    },
  };
}

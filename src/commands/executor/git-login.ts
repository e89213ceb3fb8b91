// GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD, are for the git context of a job: asked for by the engine, and no secret
// that a RUN could mount.

import type { Session } from "../../../builder/core/session.ts";
import type { Environment } from "../../config/environment.ts";

/** The session with the environment's login for git; the same where there is none. */
export function withGitLogin(session: Session, environment: Environment): Session {
  const { GIT_TOKEN: token, GIT_USERNAME: user, GIT_PASSWORD: password } = environment;
  const pair = token ? `${token}:` : user && password ? `${user}:${password}` : undefined;
  if (pair === undefined) return session;
  const header = `basic ${Buffer.from(pair).toString("base64")}`;
  return { ...session, gitAuthorization: () => Promise.resolve(header) };
}

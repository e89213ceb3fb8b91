// A job's context in a git repository, as kaniko names it: its URL, `--git`, and the login that the environment has for it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Session } from "../../../builder/core/session.ts";
import type { ContextSpec } from "../../../builder/request.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { Environment } from "../../config/environment.ts";

/** What `--git` says. */
export interface GitOptions {
  /** A branch, or where there is none a tag. */
  readonly branch: string | undefined;
  readonly submodules: boolean;
  /** Certificates of servers are not checked. */
  readonly skipsTls: boolean;
}

/** Reads `--git`, each `key=value` by itself or several in one. Throws `USAGE`. */
export function gitOptions(values: readonly string[]): GitOptions {
  let branch: string | undefined;
  let submodules = false;
  let skipsTls = false;
  for (const part of values.flatMap((text) => text.split(",")).filter((one) => one !== "")) {
    const [key = "", value = ""] = part.split(/=(.*)/s);
    if (key === "branch") branch = value;
    else if (key === "recurse-submodules") submodules = isTrue(key, value);
    else if (key === "insecure-skip-tls") skipsTls = isTrue(key, value);
    // One commit is fetched, whatever this says.
    else if (key === "single-branch") isTrue(key, value);
    else if (key !== "depth" || !/^\d+$/.test(value)) throw new BuildError("USAGE", `--git: "${part}" is unknown`);
  }
  return { branch, submodules, skipsTls };
}

/** The URL of a build for `HOST/REPOSITORY[#REF[#COMMIT]]`. Throws `USAGE`. */
export function gitUrl(rest: string, options: GitOptions | undefined, environment: Environment): string {
  const method = environment["GIT_PULL_METHOD"] || "https";
  if (method !== "https" && method !== "http")
    throw new BuildError("USAGE", `GIT_PULL_METHOD: "${method}" is neither https nor http`);
  const [place = "", ref = "", commit = "", ...more] = rest.split("#");
  if (place === "" || more.length > 0)
    throw new BuildError("USAGE", `--context: "git://${rest}" is not git://HOST/REPOSITORY[#REF[#COMMIT]]`);
  const wanted = commit || (isPlaceOfBranch(ref) ? options?.branch || ref : ref);
  const query = options?.submodules === true ? "" : "?submodules=false";
  return `${method}://${place.replace(/\/$/, "")}${query}${wanted === "" ? "" : `#${wanted}`}`;
}

/** `--git branch=` comes before a branch, a commit and any other ref before it; kaniko's order. */
function isPlaceOfBranch(ref: string): boolean {
  return !/^[0-9a-f]{40}$/.test(ref) && !/^refs\/(?!heads\/)/.test(ref);
}

function isTrue(key: string, value: string): boolean {
  const said = readBoolean(value);
  if (said === undefined) throw new BuildError("USAGE", `--git: ${key}="${value}" is neither true nor false`);
  return said;
}

/**
 * The session with GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD: for the host of the context alone, and no secret that a
 * RUN could mount. The same where the context is no repository, or there is no such login.
 */
export function withGitLogin(session: Session, environment: Environment, context: ContextSpec): Session {
  const { GIT_TOKEN: token, GIT_USERNAME: user, GIT_PASSWORD: password } = environment;
  const pair = token ? `${token}:` : user && password ? `${user}:${password}` : undefined;
  if (pair === undefined || context.kind !== "git") return session;
  const header = `basic ${Buffer.from(pair).toString("base64")}`;
  const { host } = new URL(context.url);
  return { ...session, gitAuthorization: async (asked) => (asked === host ? header : undefined) };
}

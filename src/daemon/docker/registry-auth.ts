// The logins that docker's clients send along: for one registry, or all that the person has. They are used for that
// request alone, and never kept or logged.

import type { IncomingHttpHeaders } from "node:http";
import * as v from "valibot";
import type { Credentials, Session } from "../../../builder/core/session.ts";
import { hostOf } from "../../config/credentials/credentials.ts";
import { canonicalHost } from "../../config/registries/registry-settings.ts";
import { HttpError } from "../http/answer.ts";

const Text = v.nullish(v.string(), "");
/** As docker's clients write a login. */
export const Login = v.object({
  username: Text,
  password: Text,
  auth: Text,
  serveraddress: Text,
  identitytoken: Text,
  registrytoken: Text,
});
type Login = v.InferOutput<typeof Login>;

/** Somebody whose only belongings are logins. */
export function sessionOf(credentials: Session["credentials"]): Session {
  const none = (): Promise<undefined> => Promise.resolve(undefined);
  return { secretIds: [], secret: none, sshAgent: none, credentials };
}

/** The login that goes with a pull or a push (X-Registry-Auth): for its registry, and no other. Throws `HttpError` 400. */
export function registryLogin(headers: IncomingHttpHeaders, registry: string): Session["credentials"] {
  const value = headers["x-registry-auth"];
  if (typeof value !== "string" || value === "") return () => Promise.resolve(undefined);
  const read = v.safeParse(Login, decoded(value, "X-Registry-Auth"));
  if (!read.success) throw new HttpError(400, "X-Registry-Auth is no login");
  const credentials = credentialsOf(read.output);
  return (asked) => Promise.resolve(asked === registry ? credentials : undefined);
}

/** The logins that go with a build (X-Registry-Config), by registry. Throws `HttpError` 400. */
export function registryLogins(headers: IncomingHttpHeaders): Session["credentials"] {
  const value = headers["x-registry-config"];
  if (typeof value !== "string" || value === "") return () => Promise.resolve(undefined);
  const read = v.safeParse(v.nullable(v.record(v.string(), Login)), decoded(value, "X-Registry-Config"));
  if (!read.success) throw new HttpError(400, "X-Registry-Config is no list of logins");
  const byHost = new Map(Object.entries(read.output ?? {}).map(([key, login]) => [hostOf(key), login]));
  return (registry) => {
    const login = byHost.get(canonicalHost(registry));
    return Promise.resolve(login === undefined ? undefined : credentialsOf(login));
  };
}

/** What a login says; undefined for one that says nothing. */
export function credentialsOf(login: Login): Credentials | undefined {
  const [, name = "", secret = ""] = /^([^:]*):(.*)$/s.exec(Buffer.from(login.auth ?? "", "base64").toString()) ?? [];
  const [username, password] = [login.username || name, login.password || secret];
  if (login.registrytoken) return { username, password, registryToken: login.registrytoken };
  if (login.identitytoken) return { username, password, identityToken: login.identitytoken };
  return username === "" && password === "" ? undefined : { username, password };
}

/** Base64 of JSON, with the letters of URLs or without. */
function decoded(text: string, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8") || "null");
  } catch {
    throw new HttpError(400, `${what} is no base64 of JSON`);
  }
}

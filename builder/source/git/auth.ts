// Credentials for git: secrets of the session for http, its agent for ssh.

import { BuildError } from "../../core/errors.ts";
import type { Session } from "../../core/session.ts";

/** Configuration that makes git send the session's credentials to one remote. Nothing for a remote that needs none. */
export async function authConfig(url: string, session: Session): Promise<readonly (readonly [string, string])[]> {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return [];
  const header = await authHeader(new URL(url).host, session);
  return header === undefined ? [] : [[`http.${scopeOf(url)}.extraHeader`, `Authorization: ${header}`]];
}

/** The agent for a remote by ssh. Throws `INPUT_MISSING` when the build was given none. */
export async function agentFor(url: string, session: Session): Promise<string | undefined> {
  if (!isSsh(url)) return undefined;
  const agent = await session.sshAgent("default");
  if (agent === undefined) {
    throw new BuildError("INPUT_MISSING", 'no SSH key "default" forwarded from the client', {
      hint: "give the build an SSH agent: --ssh default",
    });
  }
  return agent;
}

/** Whether git reaches a URL by ssh. */
function isSsh(url: string): boolean {
  return /^ssh:\/\//i.test(url) || !/^\w+:\/\//.test(url);
}

/** In BuildKit's order: what is for the host before what is for all, a header before a token. */
async function authHeader(host: string, session: Session): Promise<string | undefined> {
  for (const suffix of [`.${host}`, ""]) {
    const header = await session.secret(`GIT_AUTH_HEADER${suffix}`);
    if (header !== undefined) return checked(Buffer.from(header).toString("utf8"));
    const token = await session.secret(`GIT_AUTH_TOKEN${suffix}`);
    if (token !== undefined) {
      const pair = Buffer.concat([
        Buffer.from("x-access-token:"),
        Buffer.from(checked(Buffer.from(token).toString("latin1")), "latin1"),
      ]);
      return `basic ${pair.toString("base64")}`;
    }
  }
  return await session.gitAuthorization?.(host);
}

/** A file ends in a line feed, a header must not have one. */
function checked(text: string): string {
  const value = text.replace(/\r?\n$/, "");
  if (/[\r\n\0]/.test(value)) throw new BuildError("USAGE", "a secret for git has more than one line");
  return value;
}

/** The token is for the remote alone, but for github.com, where submodules are likely to need it too (as BuildKit and actions/checkout have it). */
function scopeOf(url: string): string {
  const known = ["https://github.com/", "https://www.github.com/"].find((prefix) => url.startsWith(prefix));
  if (known !== undefined) return known;
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return bare.href;
}

// A definition that lies elsewhere: what of the command line names it, and where the paths in it lead then
// (buildx, commands/bake.go and bake/bake.go).

import { posix } from "node:path";
import { cleanPath, contextAt, HERE, isRemoteUrl } from "./paths.ts";
import type { Selection } from "./resolve.ts";
import type { Target } from "./target.ts";

/** What the words of a command line name. */
export interface BakeWords {
  /** Where the definition lies; undefined: here. */
  readonly url: string | undefined;
  /** BAKE_CMD_CONTEXT. */
  readonly commandContext: string;
  readonly targets: readonly string[];
}

/** Where relative paths of a definition lead that lies elsewhere. */
export interface RemoteInput {
  /** A folder of the definition's, as the context that it is. */
  readonly at: (path: string) => string;
  /** The same as `--print` shows it. */
  readonly shownAt: (path: string) => string;
  /** Where it has been unpacked on this machine, if it was. */
  readonly folder?: string;
  /** How a repository is come by: its secrets, and whether over ssh. */
  readonly login?: GitLogin;
}

/** What a repository's host asks who comes. */
export interface GitLogin {
  readonly host: string;
  readonly usesSsh: boolean;
  /** Ids of secrets, and the variables that have their values. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Paths of ssh agents and keys; none: the agent of the environment. */
  readonly sshPaths: readonly string[];
}

/** A URL first is the definition's; a second one is a context for it. */
export function bakeWords(words: readonly string[]): BakeWords {
  const [url, commandContext = "", ...targets] = words;
  if (url === undefined || !isRemoteUrl(url)) return { url: undefined, commandContext: HERE, targets: words };
  if (isRemoteUrl(commandContext)) return { url, commandContext, targets };
  return { url, commandContext: HERE, targets: words.slice(1) };
}

/** Whether that is a repository, as contexts are told apart (BuildKit, dfgitutil). */
export function isRepository(url: string): boolean {
  return !/^https?:\/\//.test(url) || /\.git(?:#.*|\?.*)?$/.test(url);
}

/** The URL of a folder in the repository that another URL names. */
export function folderOfRepository(url: string, folder: string): string {
  const inner = cleanPath(folder);
  if (inner === ".") return url;
  const [base = "", fragment] = url.split(/#(.*)/s);
  const [query = ""] = /\?.*$/s.exec(base) ?? [];
  const parameters = new URLSearchParams(query);
  const asked = parameters.get("subdir");
  if (fragment === undefined && asked !== null) {
    parameters.set("subdir", posix.join(asked, inner));
    return `${base.slice(0, base.length - query.length)}?${parameters.toString()}`;
  }
  const [ref = "", outer = ""] = (fragment ?? "").split(/:(.*)/s);
  return `${base}#${ref}:${posix.join(outer, inner)}`;
}

/** What the environment has for the host of a repository. */
export function gitLogin(url: string, environment: Readonly<Record<string, string | undefined>>): GitLogin {
  const host = hostOf(url);
  const secrets = new Map<string, string>();
  for (const id of host === "" ? [] : ["GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"]) {
    const name = `BUILDX_BAKE_${id}`;
    if (environment[name] !== undefined) secrets.set(`${id}.${host}`, name);
  }
  const sshPaths = (environment["BUILDX_BAKE_GIT_SSH"] ?? "").split(",").filter((path) => path !== "");
  return { host, usesSsh: /^ssh:\/\/|^[\w.-]+@[\w.-]+:/.test(url), secrets, sshPaths };
}

function hostOf(url: string): string {
  if (URL.canParse(url)) return new URL(url).host;
  return /^(?:[\w.-]+@)?([\w.-]+)[:/]/.exec(url)?.[1] ?? "";
}

/** The targets with named contexts, secrets and agents as a definition at `input` means them. */
export function atInput(selection: Selection, input: RemoteInput): Selection {
  const targets = [...selection.targets].map(([name, target]) => [name, targetAt(target, input)] as const);
  return { ...selection, targets: new Map(targets) };
}

function targetAt(target: Target, input: RemoteInput): Target {
  const contexts = new Map(
    [...(target.contexts ?? [])].map(([name, text]) => [name, contextAt(text, input.at)] as const),
  );
  const moved: Target = { ...target, ...(contexts.size === 0 ? {} : { contexts }) };
  const { login } = input;
  if (login === undefined || !isRemoteUrl(target.context ?? "") || hostOf(target.context ?? "") !== login.host)
    return moved;
  const said = new Set(moved.secret?.map(({ id }) => id));
  const secrets = [...login.secrets].filter(([id]) => !said.has(id)).map(([id, env]) => ({ id, src: "", env }));
  return {
    ...moved,
    ...(secrets.length === 0 ? {} : { secret: [...(moved.secret ?? []), ...secrets] }),
    ...(login.usesSsh && moved.ssh === undefined ? { ssh: [{ id: "default", paths: login.sshPaths }] } : {}),
  };
}

// URLs of git repositories as ADD takes them: "https://host/repo.git#ref:subdir",
// "git@host:repo", with query parameters for the same and more.

import { fault } from "../fault.ts";
import { parseBool } from "../config/go-text.ts";
import { fromRoot } from "../paths.ts";

export interface GitUrl {
  /** What git is given: without query and fragment. */
  readonly remote: string;
  readonly ref?: string;
  readonly subdir?: string;
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  readonly mtime?: "checkout" | "commit";
  readonly fetchByCommit?: boolean;
}

/** Reads a git URL; undefined for what is none, so a file or a plain URL. Throws when its parameters are wrong. */
export function parseGitUrl(text: string): GitUrl | undefined {
  if (/^\.\.?\//.test(text)) return undefined;
  const parts = urlParts(text) ?? scpParts(text);
  return parts && fromParts(parts);
}

/** The URL of a build context that is known to be a repository: its name need not end in ".git", "github.com/owner/repo" will do. */
export function parseGitContext(text: string): GitUrl | undefined {
  const url = text.startsWith("github.com/") ? `https://${text}` : text;
  const parts = urlParts(url, false) ?? scpParts(url);
  return parts && fromParts(parts);
}

function fromParts(parts: Parts): GitUrl {
  const hash = parts.fragment.indexOf(":");
  const ref = hash < 0 ? parts.fragment : parts.fragment.slice(0, hash);
  const subdir = hash < 0 ? "" : fromRoot(parts.fragment.slice(hash + 1)).slice(1);
  return withQuery(
    { remote: parts.remote, ...(ref === "" ? {} : { ref }), ...(subdir === "" ? {} : { subdir }) },
    parts.query,
  );
}

interface Parts {
  readonly remote: string;
  readonly query: URLSearchParams;
  readonly fragment: string;
}

function urlParts(text: string, needsSuffix = true): Parts | undefined {
  const match = /^(https?|ssh|git):\/\/([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text);
  if (match === null) return undefined;
  const [, scheme = "", rest = "", query = "", fragment = ""] = match;
  if (needsSuffix && /^https?$/i.test(scheme) && (!rest.includes("/") || !rest.endsWith(".git"))) return undefined;
  return {
    remote: `${scheme.toLowerCase()}://${rest}`,
    query: new URLSearchParams(query),
    fragment: unescape(fragment),
  };
}

function scpParts(text: string): Parts | undefined {
  const match = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/.exec(text);
  if (match === null) return undefined;
  const [, user = "", host = "", path = "", query = "", fragment = ""] = match;
  return { remote: `${user}@${host}:${path}`, query: new URLSearchParams(query), fragment };
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const MAY_BE_BARE = ["submodules", "keep-git-dir", "fetch-by-commit"];

function withQuery(url: GitUrl, query: URLSearchParams): GitUrl {
  const found: { -readonly [Field in keyof GitUrl]: GitUrl[Field] } = { ...url };
  let tag: string | undefined;
  let branch: string | undefined;
  for (const key of new Set(query.keys())) {
    const values = query.getAll(key);
    const value = values[0] ?? "";
    if (values.length > 1) throw fault(`query "${key}" has multiple values`);
    if (value === "" && !MAY_BE_BARE.includes(key)) throw fault(`query "${key}" has no value`);
    switch (key) {
      case "ref":
        found.ref = agree("ref", found.ref, value);
        break;
      case "subdir":
        found.subdir = agree("subdir", found.subdir, value);
        break;
      case "tag":
        tag = value.startsWith("refs/tags/") ? value : `refs/tags/${value}`;
        break;
      case "branch":
        branch = value.startsWith("refs/heads/") ? value : `refs/heads/${value}`;
        break;
      case "checksum":
      case "commit":
        found.checksum = value;
        break;
      case "keep-git-dir":
        found.keepGitDir = truth(key, value);
        break;
      case "submodules":
        found.submodules = truth(key, value);
        break;
      case "fetch-by-commit":
        found.fetchByCommit = truth(key, value);
        break;
      case "mtime":
        if (value !== "checkout" && value !== "commit")
          throw fault(`invalid mtime value: "${value}" (must be "checkout" or "commit")`);
        found.mtime = value;
        break;
      default:
        throw fault(`unexpected query "${key}"`);
    }
  }
  if (tag !== undefined) found.ref = agree("ref", found.ref, tag);
  if (branch !== undefined) {
    if (tag !== undefined) throw fault("branch conflicts with tag");
    found.ref = agree("ref", found.ref, branch);
  }
  return found;
}

function agree(what: string, known: string | undefined, value: string): string {
  if (known !== undefined && known !== value) throw fault(`${what} conflicts: "${known}" vs "${value}"`);
  return value;
}

function truth(key: string, value: string): boolean {
  const parsed = value === "" ? true : parseBool(value);
  if (parsed === undefined) throw fault(`invalid ${key} value: "${value}"`);
  return parsed;
}

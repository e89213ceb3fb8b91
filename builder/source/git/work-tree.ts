// What the repository around a folder says of itself, read from its files: running git there
// would run what its configuration names. Submodules and linked work trees count.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** A work tree of git. */
export interface WorkTree {
  /** Its folder, absolute. */
  readonly root: string;
  /** The commit that is checked out; undefined before the first one. */
  readonly revision: string | undefined;
  /** URL of the remote it comes from, with whatever credentials are in it. */
  readonly remote: string | undefined;
}

/** The work tree that a folder lies in; undefined when it lies in none, or git's files cannot be read. */
export function findWorkTree(directory: string): WorkTree | undefined {
  try {
    for (let at = realpathSync(directory); ; at = dirname(at)) {
      if (existsSync(join(at, ".git"))) return read(at);
      if (at === dirname(at)) return undefined;
    }
  } catch {
    return undefined; // no repository that can be understood is none
  }
}

/** A folder inside a work tree, from its root: "." or "sub/folder"; undefined for one outside. */
export function pathInside({ root }: WorkTree, directory: string): string | undefined {
  const path = relative(root, realpathSync(directory));
  return path.startsWith("..") ? undefined : path || ".";
}

function read(root: string): WorkTree {
  const gitDir = gitDirOf(root);
  const shared = textOf(join(gitDir, "commondir"));
  const common = shared === undefined ? gitDir : resolve(gitDir, shared);
  const head = textOf(join(gitDir, "HEAD")) ?? "";
  const branch = /^ref: (refs\/\S+)$/.exec(head)?.[1];
  const revision = branch === undefined ? head : commitOf(branch, gitDir, common);
  const isCommit = revision !== undefined && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(revision);
  return { root, revision: isCommit ? revision : undefined, remote: remoteOf(branch, join(common, "config")) };
}

/** `.git` is a folder, or a file that names one ("gitdir: …"). */
function gitDirOf(root: string): string {
  const place = join(root, ".git");
  if (statSync(place).isDirectory()) return place;
  const [, path = ""] = /^gitdir: (.*)$/m.exec(readFileSync(place, "utf8")) ?? [];
  return resolve(root, path);
}

function commitOf(ref: string, gitDir: string, common: string): string | undefined {
  const loose = textOf(join(gitDir, ref)) ?? textOf(join(common, ref));
  if (loose !== undefined) return loose;
  const packed = textOf(join(common, "packed-refs"))?.split("\n") ?? [];
  return packed.map((line) => line.split(" ")).find(([, name]) => name === ref)?.[0];
}

/** The remote that the branch follows, else "origin", else "upstream". */
function remoteOf(branch: string | undefined, config: string): string | undefined {
  const sections = sectionsOf(textOf(config) ?? "");
  const followed = branch && sections.get(`branch "${branch.replace("refs/heads/", "")}"`)?.get("remote");
  return [followed, "origin", "upstream"]
    .map((name) => sections.get(`remote "${name}"`)?.get("url"))
    .find((url) => url !== undefined);
}

/** git-config(1), as far as sections, keys and one-line values go. */
function sectionsOf(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name] = /^\s*\[([^\]]*)\]\s*$/.exec(line) ?? [];
    if (name !== undefined) {
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const [, key, value = ""] = /^\s*([A-Za-z][\w-]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) section.set(key.toLowerCase(), value.replace(/^"(.*)"$/, "$1"));
  }
  return sections;
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

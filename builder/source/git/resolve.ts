// A ref of a remote repository to the object it names now (BuildKit, source/git
// resolveMetadata).

import { BuildError } from "../../core/errors.ts";
import { redact } from "../redact.ts";
import type { GitSource, ResolvedRef } from "../remote.ts";
import { remoteFailure } from "./failure.ts";
import { type Git, GitFailure } from "./program.ts";

/** Whether a text is the full name of an object. */
function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** Asks the remote, unless the ref is a commit. Throws `INPUT_MISSING` for a ref that is not there, `DIGEST_INVALID` when the checksum is another one. */
export async function resolveRef(source: GitSource, git: Git): Promise<ResolvedRef> {
  const { ref = "", checksum } = source;
  if (ref.startsWith("-")) throw new BuildError("USAGE", `invalid git ref "${ref}"`);
  if (checksum !== undefined && !/^[a-fA-F0-9]+$/.test(checksum)) {
    throw new BuildError("USAGE", `invalid checksum ${checksum} for Git URL, expected hex commit hash`);
  }
  if (isCommit(ref)) {
    checkCommit(checksum, [ref]);
    return { ref: undefined, object: ref, commit: undefined };
  }
  if (source.fetchByCommit === true) return pinned(ref, checksum);
  const found = ref === "" ? await defaultBranch(source, git) : await namedRef(source, ref, git);
  checkCommit(checksum, found.commit === undefined ? [found.object] : [found.object, found.commit]);
  return found;
}

function pinned(ref: string, checksum: string | undefined): ResolvedRef {
  if (checksum === undefined) throw new BuildError("USAGE", "fetch-by-commit requires a checksum or a commit SHA ref");
  if (!isCommit(checksum))
    throw new BuildError("USAGE", `fetch-by-commit requires a full commit SHA checksum, got "${checksum}"`);
  const full = ref === "" ? undefined : ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
  return { ref: full, object: checksum, commit: undefined };
}

async function defaultBranch(source: GitSource, git: Git): Promise<ResolvedRef> {
  const lines = await lsRemote(source, git, ["--symref", "origin", "HEAD"]);
  const branch = lines.map(([left]) => /^ref: (refs\/heads\/\S+)$/.exec(left)?.[1]).find((name) => name !== undefined);
  const object = lines.find(([left, right]) => right === "HEAD" && isCommit(left))?.[0];
  if (branch === undefined || object === undefined) {
    throw new BuildError("INPUT_MISSING", `could not find default branch for repository: ${redact(source.url)}`, {
      hint: "name a branch, tag or commit: #main",
    });
  }
  return { ref: branch, object, commit: undefined };
}

async function namedRef(source: GitSource, ref: string, git: Git): Promise<ResolvedRef> {
  const lines = await lsRemote(source, git, ["--", "origin", ref, `${ref}^{}`]);
  const at = (name: string): string | undefined => lines.find(([, right]) => right === name)?.[0];
  // A full name comes first, then a branch (as git-checkout prefers), then a tag.
  const full = `refs/${withoutPrefix(ref, "refs/")}`;
  const branch = `refs/heads/${withoutPrefix(ref, "refs/heads/")}`;
  const tag = `refs/tags/${withoutPrefix(ref, "refs/tags/")}`;
  const name = [full, branch, tag].find((candidate) => at(candidate) !== undefined);
  const object = name === undefined ? undefined : at(name);
  if (name === undefined || object === undefined) {
    throw new BuildError("INPUT_MISSING", `repository does not contain ref ${ref}: ${redact(source.url)}`, {
      hint: /^[0-9a-f]{7,39}$/.test(ref) ? "a commit is named by all 40 digits" : undefined,
    });
  }
  if (!isCommit(object)) throw new BuildError("REGISTRY", `invalid commit sha "${object}"`);
  const commit = at(`${name}^{}`);
  return { ref: name, object, commit: commit !== undefined && isCommit(commit) ? commit : undefined };
}

/** Lines of two fields. */
async function lsRemote(source: GitSource, git: Git, args: readonly string[]): Promise<(readonly [string, string])[]> {
  try {
    const output = await git.run(["ls-remote", ...args]);
    return output.split("\n").map((line) => {
      const [left = "", right = ""] = line.split("\t");
      return [left, right] as const;
    });
  } catch (error) {
    if (error instanceof GitFailure) throw remoteFailure(source.url, error);
    throw error;
  }
}

function checkCommit(checksum: string | undefined, found: readonly string[]): void {
  if (checksum === undefined || found.some((name) => name.startsWith(checksum))) return;
  throw new BuildError("DIGEST_INVALID", `expected checksum to match ${checksum}, got ${found.join(" or ")}`);
}

function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

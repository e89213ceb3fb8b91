// A commit's files as a folder: of the mirror's objects, in a git dir of its own, so that
// nothing of one checkout (index, submodules' URLs) is left for the next.

import { lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../core/errors.ts";
import { redact } from "../redact.ts";
import type { GitSource, ResolvedRef } from "../remote.ts";
import type { Mirror } from "./mirror.ts";
import { remoteFailure } from "./failure.ts";
import { type Git, GitFailure } from "./program.ts";

/** Whether the checkout has a `.git`. One of a subdirectory has none (BuildKit has it so). */
export function keepsGitDir({ keepGitDir, subdir = "" }: GitSource): boolean {
  return keepGitDir && subdir === "";
}

/** Puts the files at `target`, which is not there yet; `scratch` is an empty folder beside it that may be left full. */
export async function checkOut(
  source: GitSource,
  resolved: ResolvedRef,
  mirror: Mirror,
  git: Git,
  scratch: string,
  target: string,
): Promise<void> {
  const workTree = join(scratch, "files");
  mkdirSync(workTree);
  const gitDir = keepsGitDir(source) ? join(workTree, ".git") : join(scratch, "git");
  if (keepsGitDir(source)) await cloneInto(workTree, gitDir, source, resolved, mirror, git);
  else await writeFiles(workTree, gitDir, resolved, mirror, git);
  if (source.submodules !== false) await addSubmodules(workTree, gitDir, source, git);
  renameSync(subdirectory(workTree, source.subdir ?? ""), target);
}

/** The commit's time in seconds since the epoch. */
export async function commitSeconds(resolved: ResolvedRef, mirror: Mirror, git: Git): Promise<number> {
  const output = await git.run(["log", "-1", "--format=%ct", `${resolved.object}^{commit}`], {
    gitDir: mirror.gitDir,
    quiet: true,
  });
  return Number(output.trim());
}

async function writeFiles(
  workTree: string,
  gitDir: string,
  { object }: ResolvedRef,
  mirror: Mirror,
  git: Git,
): Promise<void> {
  await initialise(gitDir, object, git, true);
  mkdirSync(join(gitDir, "objects/info"), { recursive: true });
  writeFileSync(join(gitDir, "objects/info/alternates"), `${join(mirror.gitDir, "objects")}\n`);
  await git.run(["read-tree", "--reset", "-u", `${object}^{commit}`], { gitDir, workTree });
}

/** A repository that the image keeps: the commit alone, its ref under its own name, and the remote without credentials. */
async function cloneInto(
  workTree: string,
  gitDir: string,
  source: GitSource,
  { ref, object }: ResolvedRef,
  mirror: Mirror,
  git: Git,
): Promise<void> {
  const call = { gitDir, workTree };
  await initialise(gitDir, object, git, false, workTree);
  const refspec = ref === undefined ? mirror.ref : `${mirror.ref}:${ref}`;
  await git.run(["fetch", "--quiet", "-u", "--depth=1", "--no-tags", "--", `file://${mirror.gitDir}`, refspec], {
    ...call,
    protocols: ["file"],
  });
  await git.run(["checkout", "--quiet", "--detach", "FETCH_HEAD"], call);
  await git.run(["config", "remote.origin.url", redact(source.url)], { ...call, quiet: true });
  await git.run(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"], { ...call, quiet: true });
  await git.run(["reflog", "expire", "--all", "--expire=now"], { ...call, quiet: true });
  rmSync(join(gitDir, "FETCH_HEAD"), { force: true });
}

async function initialise(gitDir: string, object: string, git: Git, isBare: boolean, workTree?: string): Promise<void> {
  const format = object.length === 64 ? ["--object-format=sha256"] : [];
  await git.run(["init", "--quiet", ...(isBare ? ["--bare"] : []), ...format], { gitDir, workTree, quiet: true });
}

/** Submodules are somebody else's URLs: no files of this machine, no hooks, no commands (git refuses those of .gitmodules). */
async function addSubmodules(workTree: string, gitDir: string, source: GitSource, git: Git): Promise<void> {
  if (lstatSync(join(workTree, ".gitmodules"), { throwIfNoEntry: false })?.isFile() !== true) return;
  try {
    await git.run(["submodule", "update", "--init", "--recursive", "--depth=1"], { gitDir, workTree });
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    const { message, hint } = remoteFailure(source.url, error);
    throw new BuildError("REGISTRY", message.replace("failed to fetch remote", "failed to update submodules for"), {
      cause: error,
      hint,
    });
  }
}

/** The folder of a path in the checkout, reached through folders only. Throws `INPUT_MISSING`. */
function subdirectory(workTree: string, subdir: string): string {
  let at = workTree;
  for (const part of subdir.split("/")) {
    if (part === "" || part === ".") continue;
    at = join(at, part);
    const found = part === ".." ? undefined : lstatSync(at, { throwIfNoEntry: false });
    if (found === undefined)
      throw new BuildError("INPUT_MISSING", `invalid subdir ${subdir}: the repository has no "${subdir}"`);
    if (!found.isDirectory())
      throw new BuildError(
        "INPUT_MISSING",
        `invalid subdir ${subdir}: git subpath "${subdir}" contains non-directory "${part}"`,
      );
  }
  return at;
}

// A bare repository of ours for each remote: what was fetched once is not fetched again.
// Its configuration names no remote (`Git` passes that on), so no password lies in it.

import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../core/errors.ts";
import { redact } from "../redact.ts";
import type { ResolvedRef } from "../remote.ts";
import { remoteFailure } from "./failure.ts";
import { type Git, GitFailure } from "./program.ts";

export interface Mirror {
  /** Absolute path of the git dir. */
  readonly gitDir: string;
  /** The ref by which the object is kept here. */
  readonly ref: string;
}

/** Makes sure that the object is in the mirror; the caller holds its lock. Throws `REGISTRY`. */
export async function fetchInto(directory: string, resolved: ResolvedRef, url: string, git: Git): Promise<Mirror> {
  const { object } = resolved;
  const gitDir = await openMirror(directory, object, git);
  const mirror: Mirror = { gitDir, ref: `refs/tsbuild/${object}` };
  if (await git.succeeds(["rev-parse", "--verify", "--quiet", `${mirror.ref}^{commit}`], { gitDir })) return mirror;
  rmSync(join(gitDir, "shallow.lock"), { force: true });
  const failure = await fetchOne(resolved, mirror, git);
  if (failure === undefined) return mirror;
  // A server that gives no commits by name: all that it has, then.
  const everything = [
    "fetch",
    "--force",
    "--prune",
    "--no-tags",
    ...(existsSync(join(gitDir, "shallow")) ? ["--unshallow"] : []),
  ];
  try {
    await git.run(
      [...everything, "origin", "+refs/heads/*:refs/remotes/origin/heads/*", "+refs/tags/*:refs/remotes/origin/tags/*"],
      { gitDir },
    );
  } catch (error) {
    if (error instanceof GitFailure) throw remoteFailure(url, error);
    throw error;
  }
  if (await keep(mirror, object, git)) return mirror;
  throw new BuildError("INPUT_MISSING", `"${redact(url)}" does not have the commit ${object}`, { cause: failure });
}

async function openMirror(directory: string, object: string, git: Git): Promise<string> {
  const format = object.length === 64 ? "sha256" : "sha1";
  const gitDir = join(directory, `${format}.git`);
  if (existsSync(join(gitDir, "HEAD"))) return gitDir;
  mkdirSync(gitDir, { recursive: true });
  // sha1 is not said: git before 2.29 knows no formats.
  await git.run(["init", "--quiet", "--bare", ...(format === "sha1" ? [] : [`--object-format=${format}`])], {
    gitDir,
    quiet: true,
  });
  return gitDir;
}

/** Fetches the ref, and if it has moved on meanwhile the object itself. What it gives is why it did not work. */
async function fetchOne({ ref, object }: ResolvedRef, mirror: Mirror, git: Git): Promise<GitFailure | undefined> {
  let failure: GitFailure | undefined;
  for (const wanted of ref === undefined ? [object] : [ref, object]) {
    for (const depth of [["--depth=1"], []]) {
      try {
        await git.run(["fetch", ...depth, "--no-tags", "--force", "--", "origin", `${wanted}:${mirror.ref}`], {
          gitDir: mirror.gitDir,
        });
        failure = undefined;
      } catch (error) {
        if (!(error instanceof GitFailure)) throw error;
        failure = error;
        // Servers by plain files know nothing of depths.
        if (/shallow|--depth/.test(error.stderr)) continue;
      }
      break;
    }
    if (failure === undefined && (await keep(mirror, object, git))) return undefined;
  }
  return failure ?? new GitFailure(`fetched ref ${ref ?? object} does not match expected commit ${object}`, undefined);
}

/** Whether the object is here; then the ref holds it. */
async function keep({ gitDir, ref }: Mirror, object: string, git: Git): Promise<boolean> {
  if (!(await git.succeeds(["cat-file", "-e", `${object}^{commit}`], { gitDir }))) return false;
  await git.run(["update-ref", ref, object], { gitDir, quiet: true });
  return true;
}

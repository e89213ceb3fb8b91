// A git source: ref → commit → files. Commits do not change, so a checkout is kept for
// later builds, with the entries of its tree:
//
//   <store>/git/<remote>/lock            who fetches or checks out, holds it
//   <store>/git/<remote>/sha1.git        the mirror
//   <store>/git/<remote>/trees/<key>/    `files` and their `index`; there when it is whole

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { bytePath } from "../../core/bytes/byte-path.ts";
import { digestOf, hexOf } from "../../core/digest.ts";
import { BuildError, isErrno } from "../../core/errors.ts";
import { FREE_SPACE } from "../../core/space.ts";
import type { Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { decodeIndex, encodeIndex } from "../../layer/index-file.ts";
import { removeTree } from "../../core/system/remove-tree.ts";
import { takeLock } from "../../store/lock.ts";
import { redact } from "../redact.ts";
import type { GitSource, RemoteOptions, ResolvedRef } from "../remote.ts";
import { agentFor, authConfig } from "./auth.ts";
import { checkOut, commitSeconds, keepsGitDir } from "./checkout.ts";
import type { Mirror } from "./mirror.ts";
import { fetchInto } from "./mirror.ts";
import { Git, NETWORK } from "./program.ts";
import { resolveRef } from "./resolve.ts";
import { scan, treeOf } from "./tree.ts";

/** The files of a commit, and which one it was. */
export interface GitCheckout {
  readonly tree: FileTree;
  readonly resolved: ResolvedRef;
}

/** Finds or makes the checkout. Throws `REGISTRY`, `INPUT_MISSING`, `DIGEST_INVALID`; `UNSUPPORTED` without a git program. */
export async function openGitCheckout(source: GitSource, options: RemoteOptions): Promise<GitCheckout> {
  const git = await openProgram(source, options);
  const resolved = source.resolved ?? (await resolveRef(source, git));
  return { tree: await checkoutOf(source, resolved, git, options), resolved };
}

async function checkoutOf(
  source: GitSource,
  resolved: ResolvedRef,
  git: Git,
  options: RemoteOptions,
): Promise<FileTree> {
  const name = hexOf(digestOf(source.url));
  const directory = join(options.storeDirectory, "git", name);
  const { space = FREE_SPACE } = options;
  space.hold(`git/${name}`);
  const place = join(directory, "trees", keyOf(source, resolved));
  const known = readTree(place);
  if (known !== undefined) return known;
  mkdirSync(join(directory, "trees"), { recursive: true });
  await using _lock = await lock(directory, options.signal);
  const made = readTree(place); // by whoever had the lock before
  if (made !== undefined) return made;
  sweep(join(directory, "trees"));
  space.label(`git/${name}`, `git repository ${redact(source.url)}`);
  space.landed(`git/${name}`);
  return await make(source, resolved, { directory, place, git, signal: options.signal });
}

async function openProgram(source: GitSource, options: RemoteOptions): Promise<Git> {
  const { url } = source;
  const { session, environment, storeDirectory, signal, report } = options;
  const directory = join(storeDirectory, "git");
  const home = environment.get("HOME");
  return new Git({
    directory,
    environment,
    config: [["remote.origin.url", url], ...(await authConfig(url, session))],
    ssh: {
      agent: await agentFor(url, session),
      knownHosts: [
        join(directory, "known_hosts"),
        ...(home === undefined || home === "" ? [] : [join(home, ".ssh/known_hosts")]),
        "/etc/ssh/ssh_known_hosts",
      ],
    },
    protocols: options.allowFile === true ? [...NETWORK, "file"] : NETWORK,
    signal,
    log: report === undefined ? undefined : (stream, data) => report.log(stream, data),
  });
}

/** Everything that decides what the checkout holds. */
function keyOf(source: GitSource, resolved: ResolvedRef): string {
  const keeps = keepsGitDir(source);
  const parts = {
    // A kept `.git` has the tag object and the ref's name; the files alone are those of the commit.
    object: keeps ? [resolved.object, resolved.commit ?? "", resolved.ref ?? ""] : (resolved.commit ?? resolved.object),
    subdir: source.subdir ?? "",
    submodules: source.submodules !== false,
    mtime: source.mtime ?? "checkout",
    keeps,
  };
  return hexOf(digestOf(JSON.stringify(parts)));
}

interface Making {
  readonly directory: string;
  readonly place: string;
  readonly git: Git;
  readonly signal: AbortSignal;
}

async function make(
  source: GitSource,
  resolved: ResolvedRef,
  { directory, place, git, signal }: Making,
): Promise<FileTree> {
  const mirror = await fetchInto(directory, resolved, source.url, git);
  await checkCommit(resolved, mirror, git);
  const scratch = join(directory, "trees", `${UNFINISHED}${randomUUID()}`);
  mkdirSync(join(scratch, "tree"), { recursive: true });
  try {
    const files = join(scratch, "tree/files");
    await checkOut(source, resolved, mirror, git, scratch, files);
    const seconds = source.mtime === "commit" ? await commitSeconds(resolved, mirror, git) : undefined;
    const entries = await scan(
      files,
      {
        keepsGitDir: keepsGitDir(source),
        mtimeNs: seconds === undefined ? undefined : BigInt(seconds) * 1_000_000_000n,
      },
      signal,
    );
    writeFileSync(join(scratch, "tree/index"), encodeIndex(entries));
    removeTree(bytePath(place)); // one that could not be read
    renameSync(join(scratch, "tree"), place);
    return treeOf(join(place, "files"), entries);
  } finally {
    removeTree(bytePath(scratch));
  }
}

/** That a tag is of the commit that was told: by its remote, which may lie, or by a lock file, which may be changed. */
async function checkCommit({ object, commit }: ResolvedRef, { gitDir }: Mirror, git: Git): Promise<void> {
  if (commit === undefined) return;
  const found = (await git.run(["rev-parse", `${object}^{commit}`], { gitDir, quiet: true })).trim();
  if (found === commit) return;
  throw new BuildError("DIGEST_INVALID", `the tag ${object} is of the commit ${found}, not of ${commit}`);
}

const UNFINISHED = ".unfinished-";

/** What processes that died have left; nobody else makes any while the lock is held. */
function sweep(trees: string): void {
  for (const name of readdirSync(trees)) if (name.startsWith(UNFINISHED)) removeTree(bytePath(join(trees, name)));
}

function readTree(place: string): FileTree | undefined {
  let entries: Entry[] | undefined;
  try {
    entries = decodeIndex(readFileSync(join(place, "index")));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  return entries === undefined ? undefined : treeOf(join(place, "files"), entries);
}

/** As long as it takes: another build may be fetching a large repository. */
async function lock(directory: string, signal: AbortSignal): Promise<AsyncDisposable> {
  const path = join(directory, "lock");
  closeSync(openSync(path, "a", 0o644));
  return await takeLock(path, { patienceMs: Number.POSITIVE_INFINITY, signal });
}

// A repository for the tests of git, and how they open it.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { after } from "node:test";

import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import { openGitCheckout } from "../../builder/source/git/source.ts";
import type { GitSource } from "../../builder/source/remote.ts";
import { git, temporaryFolder } from "./support.ts";

/** The files of a checkout. */
export const openGit = async (...args: Parameters<typeof openGitCheckout>): Promise<FileTree> =>
  (await openGitCheckout(...args)).tree;

/** What `makeRepository` has made. */
export interface Repository {
  readonly folder: string;
  /** Above it, for servers. */
  readonly parent: string;
  readonly url: string;
  readonly first: string;
  readonly second: string;
  readonly tag: string;
}

/** main: two commits, the first with the annotated tag v1; the branch "feature" on the second; "sub/" and an executable. */
export function makeRepository(t: TestContext): Repository {
  const { parent: made, ...commits } = (template ??= makeTemplate());
  const parent = temporaryFolder(t);
  cpSync(made, parent, { recursive: true, verbatimSymlinks: true });
  const folder = path.join(parent, "repo.git");
  return { folder, parent, url: `file://${folder}`, ...commits };
}

/** Made once, and copied for each test. */
let template: Omit<Repository, "folder" | "url"> | undefined;
after(() => {
  if (template !== undefined) rmSync(template.parent, { recursive: true });
});

function makeTemplate(): Omit<Repository, "folder" | "url"> {
  const parent = mkdtempSync(path.join(tmpdir(), "tsbuild-source-"));
  const work = path.join(parent, "repo-work");
  mkdirSync(path.join(work, "sub"), { recursive: true });
  git(work, "init", "--quiet");
  writeFileSync(path.join(work, "file"), "one\n");
  writeFileSync(path.join(work, "run"), "#!/bin/sh\n");
  chmodSync(path.join(work, "run"), 0o755);
  writeFileSync(path.join(work, "sub/below"), "below\n");
  symlinkSync("sub/below", path.join(work, "link"));
  git(work, "add", ".");
  git(work, "commit", "--quiet", "-m", "first");
  const first = git(work, "rev-parse", "HEAD");
  git(work, "tag", "-a", "-m", "v1", "v1");
  writeFileSync(path.join(work, "file"), "two\n");
  git(work, "commit", "--quiet", "-a", "-m", "second");
  git(work, "branch", "feature");
  const second = git(work, "rev-parse", "HEAD");
  const folder = path.join(parent, "repo.git");
  git(parent, "clone", "--quiet", "--bare", work, folder);
  git(folder, "update-server-info");
  return { parent, first, second, tag: git(work, "rev-parse", "v1") };
}

/** A source of a repository. */
export const source = (url: string, changes: Partial<GitSource> = {}): GitSource => ({
  type: "git",
  url,
  keepGitDir: false,
  ...changes,
});

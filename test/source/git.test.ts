// Git repositories: refs to commits to files, over every way there is without a network.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";

import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import type { RemoteOptions } from "../../builder/source/remote.ts";
import { makeRepository, openGit, source } from "./git-repository.ts";
import { serveDumb, serveSmart } from "./git-servers.ts";
import { allText, collectingReport, git, HAS_GIT, remoteOptions, serve, temporaryFolder, textOf } from "./support.ts";

function local(t: TestContext, changes: Partial<RemoteOptions> = {}): RemoteOptions {
  return remoteOptions(temporaryFolder(t), { allowFile: true, ...changes });
}

function listing(tree: FileTree, directory = ""): string[] {
  return tree.list(directory).flatMap((name) => {
    const at = directory === "" ? name : `${directory}/${name}`;
    const entry = tree.lstat(at);
    const line = `${at} ${entry?.type} ${entry?.mode.toString(8)} ${entry?.uid}:${entry?.gid}${entry?.link === undefined ? "" : ` ${entry.link}`}`;
    return [line, ...(entry?.type === "dir" ? listing(tree, at) : [])];
  });
}

suite("git", { skip: HAS_GIT ? false : "there is no git" }, () => {
  test("the default branch gives its files, as root's, with the modes of umask 022", async (t) => {
    const before = process.umask(0o077);
    t.after(() => process.umask(before));
    const { url } = makeRepository(t);
    const tree = await openGit(source(url), local(t));
    assert.deepEqual(listing(tree), [
      "file file 644 0:0",
      "link symlink 777 0:0 sub/below",
      "run file 755 0:0",
      "sub dir 755 0:0",
      "sub/below file 644 0:0",
    ]);
    assert.equal(await textOf(tree, "file"), "two\n");
  });

  test("a ref is a branch, a tag, a full name or a whole commit", async (t) => {
    const { url, first, second } = makeRepository(t);
    const options = local(t);
    const cases: [string, string][] = [
      ["main", "two\n"],
      ["feature", "two\n"],
      ["v1", "one\n"],
      ["refs/tags/v1", "one\n"],
      ["refs/heads/main", "two\n"],
      ["heads/main", "two\n"],
      [first, "one\n"],
      [second, "two\n"],
    ];
    for (const [ref, text] of cases)
      assert.equal(await textOf(await openGit(source(url, { ref }), options), "file"), text, ref);
  });

  test("a ref that is not there, or would be an option, is an error", async (t) => {
    const { url, first } = makeRepository(t);
    const options = local(t);
    await assert.rejects(openGit(source(url, { ref: "nowhere" }), options), /repository does not contain ref nowhere/);
    await assert.rejects(
      openGit(source(url, { ref: "--upload-pack=touch /tmp/x" }), options),
      /invalid git ref "--upload-pack/,
    );
    await assert.rejects(openGit(source(url, { ref: first.slice(0, 8) }), options), /does not contain ref/);
    await assert.rejects(
      openGit(source(url, { ref: "0".repeat(40) }), options),
      new RegExp(`does not have the commit ${"0".repeat(40)}`),
    );
  });

  test("a checksum may name the commit or the tag, whole or in part", async (t) => {
    const { url, first, second, tag } = makeRepository(t);
    const options = local(t);
    for (const checksum of [first, first.slice(0, 7), tag])
      await openGit(source(url, { ref: "v1", checksum }), options);
    await assert.rejects(openGit(source(url, { ref: "v1", checksum: second }), options), {
      message: `expected checksum to match ${second}, got ${tag} or ${first}`,
    });
    await assert.rejects(openGit(source(url, { ref: first, checksum: second }), options), /expected checksum to match/);
    await assert.rejects(
      openGit(source(url, { checksum: "v1" }), options),
      /invalid checksum v1 for Git URL, expected hex commit hash/,
    );
  });

  test("a tag of another commit than was told is refused, kept .git or not", async (t) => {
    const { url, first, second, tag } = makeRepository(t);
    const options = local(t);
    const told = (commit: string): object => ({ resolved: { ref: "refs/tags/v1", object: tag, commit } });
    for (const keep of [{}, { keepGitDir: true }]) {
      await openGit(source(url, { ref: "v1", ...keep, ...told(first) }), options);
      await assert.rejects(openGit(source(url, { ref: "v1", ...keep, ...told(second) }), options), {
        code: "DIGEST_INVALID",
        message: `the tag ${tag} is of the commit ${first}, not of ${second}`,
      });
    }
  });

  test("a subdirectory is the root; a link or a file is none", async (t) => {
    const { url } = makeRepository(t);
    const options = local(t);
    assert.deepEqual((await openGit(source(url, { subdir: "sub" }), options)).list(""), ["below"]);
    await assert.rejects(openGit(source(url, { subdir: "link" }), options), /contains non-directory "link"/);
    await assert.rejects(openGit(source(url, { subdir: "none" }), options), /invalid subdir none/);
    await assert.rejects(openGit(source(url, { subdir: "../.." }), options), /invalid subdir/);
  });

  test("a kept .git is a repository of that commit, without credentials", async (t) => {
    const { parent, first } = makeRepository(t);
    const server = await serveSmart(t, parent);
    const url = `${server.url.replace("://", "://me:hunter2@")}/repo.git`;
    const options = remoteOptions(temporaryFolder(t));
    const tree = await openGit(source(url, { ref: "v1", keepGitDir: true }), options);
    assert.ok(tree.list("").includes(".git"));
    const config = await textOf(tree, ".git/config");
    assert.match(config, /url = http:\/\/xxxxx@127/);
    const copy = path.join(temporaryFolder(t), "copy");
    const [content] = (await tree.sources(["file"], options.signal)).values();
    assert.ok(content?.kind === "path");
    cpSync(path.dirname(content.path), copy, { recursive: true, verbatimSymlinks: true });
    assert.equal(git(copy, "-c", "safe.directory=*", "rev-parse", "HEAD"), first);
    assert.equal(git(copy, "-c", "safe.directory=*", "describe", "--tags"), "v1");
    assert.equal(git(copy, "-c", "safe.directory=*", "status", "--porcelain"), "");
    assert.equal(allText(options.storeDirectory).includes("hunter2"), false, "the password is nowhere in the store");
  });

  test("the second time nothing is fetched; a branch that moved is", async (t) => {
    const { parent, folder, first } = makeRepository(t);
    const server = await serveSmart(t, parent);
    const options = remoteOptions(temporaryFolder(t));
    const url = `${server.url}/repo.git`;
    await openGit(source(url), options);
    const log = collectingReport();
    await openGit(source(url), { ...options, report: log });
    assert.doesNotMatch(log.text(), /->/);
    git(folder, "update-ref", "refs/heads/main", first);
    assert.equal(await textOf(await openGit(source(url), options), "file"), "one\n");
    const requests = server.requests.length;
    await openGit(source(url, { ref: first }), options);
    assert.equal(server.requests.length, requests, "a commit that is known needs no server");
  });

  test("a branch may become a folder of branches", async (t) => {
    const { folder, url } = makeRepository(t);
    const options = local(t);
    await openGit(source(url, { ref: "feature" }), options);
    git(folder, "branch", "-m", "feature", "feature/x");
    git(folder, "branch", "-f", "feature/x", "v1^{}");
    assert.equal(await textOf(await openGit(source(url, { ref: "feature/x" }), options), "file"), "one\n");
  });

  test("a server of plain files will do", async (t) => {
    const { parent, first } = makeRepository(t);
    const server = await serveDumb(t, parent);
    const options = remoteOptions(temporaryFolder(t));
    for (const [ref, text] of [
      ["v1", "one\n"],
      ["feature", "two\n"],
      [first, "one\n"],
      [undefined, "two\n"],
    ] as const) {
      assert.equal(
        await textOf(
          await openGit(source(`${server.url}/repo.git`, ref === undefined ? {} : { ref }), options),
          "file",
        ),
        text,
        ref,
      );
    }
  });

  test("every file has the commit's time when that is asked for", async (t) => {
    const { url } = makeRepository(t);
    const tree = await openGit(source(url, { mtime: "commit" }), local(t));
    for (const name of ["file", "link", "sub"]) assert.equal(tree.lstat(name)?.mtimeNs, 1_700_000_000_000_000_000n);
  });

  test("fetch-by-commit takes the commit wherever the branch is", async (t) => {
    const { url, first } = makeRepository(t);
    const tree = await openGit(source(url, { ref: "main", checksum: first, fetchByCommit: true }), local(t));
    assert.equal(await textOf(tree, "file"), "one\n");
    await assert.rejects(openGit(source(url, { ref: "main", fetchByCommit: true }), local(t)), /requires a checksum/);
  });

  test("two builds at once share one fetch", async (t) => {
    const { url } = makeRepository(t);
    const options = local(t);
    const trees = await Promise.all([1, 2, 3].map(() => openGit(source(url), options)));
    for (const tree of trees) assert.equal(await textOf(tree, "file"), "two\n");
    assert.equal(readdirSync(treesOf(options)).length, 1);
  });
});

suite("hostile and awkward repositories", { skip: HAS_GIT ? false : "there is no git" }, () => {
  test("a file:// URL is refused unless somebody vouches for it", async (t) => {
    const { url } = makeRepository(t);
    await assert.rejects(openGit(source(url), remoteOptions(temporaryFolder(t))), /transport 'file' not allowed/);
  });

  test("submodules come along, and can be left out", async (t) => {
    const { parent } = makeRepository(t);
    const server = await serveSmart(t, parent);
    withSubmodule(parent, `${server.url}/repo.git`);
    const options = remoteOptions(temporaryFolder(t));
    const tree = await openGit(source(`${server.url}/outer.git`), options);
    assert.equal(await textOf(tree, "module/file"), "two\n");
    assert.equal(tree.list("module").includes(".git"), false);
    const bare = await openGit(source(`${server.url}/outer.git`, { submodules: false }), options);
    assert.deepEqual(bare.list("module"), []);
  });

  test("a submodule cannot reach into this machine", async (t) => {
    const { parent, folder } = makeRepository(t);
    const server = await serveSmart(t, parent);
    withSubmodule(parent, folder);
    await assert.rejects(
      openGit(source(`${server.url}/outer.git`), remoteOptions(temporaryFolder(t))),
      /failed to update submodules for .*\n?[\s\S]*transport 'file' not allowed/,
    );
  });

  test("no hook, template or filter of anybody's configuration runs", async (t) => {
    const { url } = makeRepository(t);
    const folder = temporaryFolder(t);
    const sign = path.join(folder, "ran");
    const home = path.join(folder, "home");
    mkdirSync(path.join(home, "template/hooks"), { recursive: true });
    writeFileSync(path.join(home, "template/hooks/post-checkout"), `#!/bin/sh\ntouch ${sign}\n`, { mode: 0o755 });
    writeFileSync(
      path.join(home, ".gitconfig"),
      `[init]\n\ttemplateDir = ${home}/template\n[core]\n\thooksPath = ${home}/template/hooks\n`,
    );
    const environment = new Map([
      ["PATH", process.env["PATH"] ?? ""],
      ["HOME", home],
      ["GIT_TEMPLATE_DIR", `${home}/template`],
    ]);
    await openGit(source(url, { keepGitDir: true }), local(t, { environment }));
    assert.equal(existsSync(sign), false);
  });

  test("an unfinished checkout of a process that died is cleaned up, a damaged one made anew", async (t) => {
    const { url } = makeRepository(t);
    const options = local(t);
    await openGit(source(url), options);
    const trees = treesOf(options);
    const [key = ""] = readdirSync(trees);
    mkdirSync(path.join(trees, ".unfinished-x"));
    writeFileSync(path.join(trees, key, "index"), "damaged");
    assert.equal(await textOf(await openGit(source(url), options), "file"), "two\n");
    assert.deepEqual(readdirSync(trees), [key]);
  });

  test("without a git program the error says so", async (t) => {
    const options = remoteOptions(temporaryFolder(t), { environment: new Map([["PATH", "/nowhere"]]) });
    await assert.rejects(openGit(source("http://127.0.0.1:1/x.git"), options), /failed to find git binary/);
  });

  test("a build that is stopped stops git", async (t) => {
    const stop = new AbortController();
    const hang = await serve(t, () => setTimeout(() => stop.abort(new Error("stopped")), 50));
    await assert.rejects(
      openGit(source(`${hang.url}/x.git`), remoteOptions(temporaryFolder(t), { signal: stop.signal })),
      /stopped/,
    );
  });
});

/** `outer.git`, whose "module" is a submodule from `url`. */
function withSubmodule(parent: string, url: string): void {
  const work = path.join(parent, "outer-work");
  mkdirSync(work);
  git(work, "init", "--quiet");
  git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", path.join(parent, "repo.git"), "module");
  git(work, "config", "-f", ".gitmodules", "submodule.module.url", url);
  git(work, "add", ".");
  git(work, "commit", "--quiet", "-m", "outer");
  git(parent, "clone", "--quiet", "--bare", work, path.join(parent, "outer.git"));
}

function treesOf({ storeDirectory }: RemoteOptions): string {
  const store = path.join(storeDirectory, "git");
  const remote = readdirSync(store, { withFileTypes: true }).find((entry) => entry.isDirectory());
  return path.join(store, remote?.name ?? "", "trees");
}

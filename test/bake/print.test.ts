// `bake --print` and `--list` give what buildx gave for the same files (fixtures/bake, recorded with a real one), and
// what buildx refuses is refused.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, suite, test } from "node:test";
import { execFileSync } from "node:child_process";

import { rememberedBuilds } from "../../builder/builds.ts";
import { bakeWords, folderOfRepository, gitLogin } from "../../src/bake/remote.ts";
import { bake } from "../../src/commands/bake/bake.ts";
import { serveDumb } from "../source/git-servers.ts";
import { runCommandIn } from "../support/run-command.ts";
import { isError } from "../transport/registry-workbench.ts";
import { splitWords } from "../support/words.ts";

const CASES = path.join(import.meta.dirname, "../../fixtures/bake");
const root = mkdtempSync(path.join(tmpdir(), "tsbuild-test-bake-"));
const agent = createServer().listen(path.join(root, "agent.sock"));
after(() => {
  agent.close();
  rmSync(root, { recursive: true, force: true });
});

suite("bake prints what buildx prints", () => {
  const names = readdirSync(CASES, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  for (const name of names) {
    test(name, async () => {
      const folder = path.join(CASES, name);
      process.chdir(folder);
      const args = splitWords(readFileSync("args", "utf8").trim(), {});
      const environment = Object.fromEntries(
        (existsSync("env") ? readFileSync("env", "utf8") : "")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      // An agent has to be there to be shown.
      if (environment["SSH_AUTH_SOCK"] !== undefined) environment["SSH_AUTH_SOCK"] = path.join(root, "agent.sock");
      const ran = await runCommandIn(environment, bake, root, ...args);
      if (existsSync("fails")) {
        assert.ok(ran.error !== undefined, `buildx refuses this, but it gave ${ran.stdout}`);
        assert.notEqual(ran.error.code, "INTERNAL");
      } else {
        assert.equal(ran.error?.message, undefined);
        assert.equal(ran.stdout, readFileSync("want", "utf8"));
      }
    });
  }
});

suite("a definition elsewhere", () => {
  test("is what the first word names when that is a URL, and a second URL is a context for it", () => {
    const [url, other] = ["https://host/team/app.git#main", "git@host:team/other.git"];
    assert.deepEqual(bakeWords(["app", url]), { url: undefined, commandContext: "cwd://", targets: ["app", url] });
    assert.deepEqual(bakeWords([url, "app"]), { url, commandContext: "cwd://", targets: ["app"] });
    assert.deepEqual(bakeWords([url, other, "app"]), { url, commandContext: other, targets: ["app"] });
  });

  test("has its folders in the repository, at the same ref", () => {
    const cases: readonly (readonly [url: string, folder: string, want: string])[] = [
      ["https://h/a.git", ".", "https://h/a.git"],
      ["https://h/a.git", "sub/", "https://h/a.git#:sub"],
      ["https://h/a.git#v1", "sub", "https://h/a.git#v1:sub"],
      ["https://h/a.git#v1:in", "../out", "https://h/a.git#v1:out"],
      ["https://h/a.git?ref=v1&subdir=in", "sub", "https://h/a.git?ref=v1&subdir=in%2Fsub"],
    ];
    for (const [url, folder, want] of cases) assert.equal(folderOfRepository(url, folder), want);
  });

  test("shows the login of the environment to the host of its repository", () => {
    const environment = { BUILDX_BAKE_GIT_AUTH_TOKEN: "t", BUILDX_BAKE_GIT_SSH: "a,b" };
    assert.deepEqual(gitLogin("https://git.example:8443/a.git", environment), {
      host: "git.example:8443",
      usesSsh: false,
      secrets: new Map([["GIT_AUTH_TOKEN.git.example:8443", "BUILDX_BAKE_GIT_AUTH_TOKEN"]]),
      sshPaths: ["a", "b"],
    });
    assert.equal(gitLogin("git@git.example:team/a.git", {}).usesSsh, true);
  });

  test("is built from its repository, an archive, or a file by itself, with what is said to be here", async (t) => {
    const work = mkdtempSync(path.join(root, "elsewhere-"));
    const at = (name: string): string => path.join(work, name);
    const git = (...args: readonly string[]): unknown => execFileSync("git", args, { cwd: at("repo"), stdio: "pipe" });
    mkdirSync(at("repo/sub"), { recursive: true });
    mkdirSync(at("here"));
    writeFileSync(at("here/Dockerfile"), "this is not the one\n");
    writeFileSync(at("here/mine"), "mine\n");
    writeFileSync(at("repo/sub/file"), "theirs\n");
    writeFileSync(at("repo/Dockerfile"), "FROM scratch\nCOPY --from=other file /\n");
    writeFileSync(at("repo/more$[x].json"), JSON.stringify({ target: { app: { labels: { more: "yes" } } } }));
    writeFileSync(
      at("repo/docker-bake.hcl"),
      `target "default" {
        contexts = { other = "sub" }
        output = ["out"]
      }
      target "here" {
        context = BAKE_CMD_CONTEXT
        dockerfile-inline = "FROM scratch\\nCOPY mine /"
        output = ["out"]
      }
      target "app" { context = "sub" }`,
    );
    git("init", "-q", "-b", "main", ".");
    git("add", ".");
    git("-c", "user.email=a@b", "-c", "user.name=n", "commit", "-qm", "x");
    git("clone", "-q", "--bare", ".", at("served.git"));
    execFileSync("git", ["update-server-info"], { cwd: at("served.git") });
    execFileSync("tar", ["czf", at("context.tgz"), "-C", at("repo"), "."]);
    writeFileSync(at("alone.hcl"), `target "default" { dockerfile-inline = "FROM scratch" }`);
    const server = await serveDumb(t, work);
    const ask = async (...args: readonly string[]): Promise<string> => {
      process.chdir(at("here"));
      const ran = await runCommandIn(
        { PATH: process.env["PATH"] ?? "" },
        bake,
        path.join(root, "store"),
        ...args,
        "--progress=none",
      );
      if (ran.error !== undefined) throw ran.error;
      return ran.stdout;
    };
    const url = `${server.url}/served.git`;
    for (const [name, words, file] of [
      ["its repository", [url], "file"],
      ["an archive", [`${server.url}/context.tgz`], "file"],
      ["a context here", [url, "here"], "mine"],
    ] as const) {
      await ask(...words);
      assert.deepEqual(readdirSync(at("here/out")), [file], name);
      rmSync(at("here/out"), { recursive: true });
    }
    const printed = await ask(url, "app", "-f", "docker-bake.hcl", "-f", "more$[x].json", "--print");
    assert.deepEqual((JSON.parse(printed) as { target: unknown }).target, {
      app: { context: `${url}#:sub`, dockerfile: "Dockerfile", labels: { more: "yes" } },
    });
    // To fetch a definition is no build of its own to whoever lists them.
    assert.equal(rememberedBuilds(path.join(root, "store")).length, 3);
    const alone = await ask(`${server.url}/alone.hcl`, "--print");
    assert.match(alone, /"context": "\."/);
    await assert.rejects(ask(url, "-f", "nothing.hcl"), isError("INPUT_MISSING", /no "nothing.hcl" where/));
  });
});

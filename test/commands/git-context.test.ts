// A job's context in a repository: which commit its words name, and who gets its login.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseGitContext } from "../../builder/dockerfile/convert/copy/git-url.ts";
import { EXECUTOR_FLAGS } from "../../src/cli/flags/executor-flags.ts";
import { listOf, parseArguments } from "../../src/cli/flags.ts";
import { gitOptions, gitUrl, withGitLogin } from "../../src/commands/executor/git-context.ts";
import { isError } from "../transport/registry-workbench.ts";

const COMMIT = "0123456789012345678901234567890123456789";

suite("a git context", () => {
  test("is the ref of its URL, or the branch or tag of --git in the place of a branch", () => {
    const cases: readonly (readonly [rest: string, branch: string | undefined, ref: string | undefined])[] = [
      ["host/team/app.git", undefined, undefined],
      ["host/team/app#refs/heads/main", undefined, "refs/heads/main"],
      ["host/team/app#main", "v1", "v1"],
      ["host/team/app#refs/heads/main", "other", "other"],
      ["host/team/app#refs/tags/v1", "other", "refs/tags/v1"],
      [`host/team/app#${COMMIT}`, "other", COMMIT],
      [`host/team/app#refs/heads/main#${COMMIT}`, "other", COMMIT],
    ];
    for (const [rest, branch, ref] of cases) {
      const options = { branch, submodules: false, skipsTls: false };
      const url = parseGitContext(gitUrl(rest, options, {}));
      const remote = `https://${rest.split("#")[0]}`;
      assert.deepEqual(url, { remote, ...(ref === undefined ? {} : { ref }), submodules: false }, rest);
    }
    assert.equal(gitUrl("h/a", undefined, { GIT_PULL_METHOD: "http" }), "http://h/a?submodules=false");
    assert.throws(
      () => gitUrl("h/a", undefined, { GIT_PULL_METHOD: "ftp" }),
      isError("USAGE", /neither https nor http/),
    );
    assert.throws(() => gitUrl("h/a#b#c#d", undefined, {}), isError("USAGE", /is not git:\/\/HOST/));
  });

  test("has all that --git says, in one flag or several", () => {
    const options = (...words: readonly string[]): unknown =>
      gitOptions(listOf(parseArguments(EXECUTOR_FLAGS, words), "git"));
    const everything = { branch: "main", submodules: true, skipsTls: true };
    const words = ["branch=main", "single-branch=true", "recurse-submodules=true", "insecure-skip-tls=1", "depth=1"];
    assert.deepEqual(options(...words.flatMap((word) => ["--git", word])), everything);
    assert.deepEqual(options(`--git=${words.join(",")}`), everything);
    assert.throws(() => options("--git=brunch=main"), isError("USAGE", /"brunch=main" is unknown/));
    assert.throws(() => options("--git=insecure-skip-tls=maybe"), isError("USAGE", /neither true nor false/));
  });

  test("shows its login to its own host, and to no other that the build fetches from", async () => {
    const session = {
      secret: async () => undefined,
      sshAgent: async () => undefined,
      credentials: async () => undefined,
    };
    const own = withGitLogin(session, { GIT_TOKEN: "t" }, { kind: "git", url: "https://git.example:443/team/app" });
    const header = `basic ${Buffer.from("t:").toString("base64")}`;
    assert.equal(await own.gitAuthorization?.("git.example"), header);
    assert.equal(await own.gitAuthorization?.("elsewhere.example"), undefined);
    assert.equal(withGitLogin(session, { GIT_TOKEN: "t" }, { kind: "directory", path: "/" }), session);
    assert.equal(withGitLogin(session, { GIT_USERNAME: "u" }, { kind: "git", url: "https://git.example/a" }), session);
  });
});

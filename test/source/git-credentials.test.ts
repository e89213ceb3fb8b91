// What a git server is told of who asks, and what is kept of that.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { makeRepository, openGit, source } from "./git-repository.ts";
import { serveSmart } from "./git-servers.ts";
import { allText, HAS_GIT, remoteOptions, sessionWith, temporaryFolder, textOf } from "./support.ts";

suite("git credentials", { skip: HAS_GIT ? false : "there is no git" }, () => {
  const basic = (token: string): string => `basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;

  test("a token of the session is sent, that of the host before that of all", async (t) => {
    const { parent } = makeRepository(t);
    const server = await serveSmart(t, parent, basic("right"));
    const { host } = new URL(server.url);
    const session = sessionWith({ GIT_AUTH_TOKEN: "wrong", [`GIT_AUTH_TOKEN.${host}`]: "right\n" });
    const options = remoteOptions(temporaryFolder(t), { session });
    assert.equal(await textOf(await openGit(source(`${server.url}/repo.git`), options), "file"), "two\n");
    assert.equal(allText(options.storeDirectory).includes("right"), false);
  });

  test("a header as it is", async (t) => {
    const { parent } = makeRepository(t);
    const server = await serveSmart(t, parent, "Custom abc");
    const options = remoteOptions(temporaryFolder(t), { session: sessionWith({ GIT_AUTH_HEADER: "Custom abc" }) });
    await openGit(source(`${server.url}/repo.git`), options);
  });

  test("without one the error says what to give, and nobody is asked", async (t) => {
    const { parent } = makeRepository(t);
    const server = await serveSmart(t, parent, basic("right"));
    const wrong = openGit(source(`${server.url}/repo.git`), remoteOptions(temporaryFolder(t)));
    await assert.rejects(
      wrong,
      (error: Error & { hint?: string }) =>
        /failed to fetch remote/.test(error.message) && error.hint?.includes("GIT_AUTH_TOKEN") === true,
    );
  });

  test("ssh without an agent is an error before anything is tried", async (t) => {
    await assert.rejects(
      openGit(source("git@example.invalid:x.git"), remoteOptions(temporaryFolder(t))),
      /no SSH key "default" forwarded from the client/,
    );
  });
});

// SOURCE_DATE_EPOCH where it names what has a time: the context, a named one, a stage.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";
import { serveSmart } from "./git-servers.ts";
import { git, HAS_GIT, serve } from "./support.ts";
import { fill, tarOf, workshop } from "./workshop.ts";

/** Writes what the value has become to /epoch. */
const SHOW = "FROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY <<E /epoch\n$SOURCE_DATE_EPOCH\nE\n";
const MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT";
const MODIFIED_SECONDS = "1700000000\n";
const ASKED = ["--build-arg", "SOURCE_DATE_EPOCH=context"];

function folder(parent: string, dockerfile: string): string {
  return fill(path.join(parent, "c"), { Dockerfile: dockerfile, old: "old", "d/new": "new" });
}

/** A tar of it, with files of 2001 and 2002, in a directory of 2003. */
function archive(parent: string, dockerfile: string): Buffer {
  const at = folder(parent, dockerfile);
  const times = { Dockerfile: 1_000_000_000, old: 1_000_000_000, "d/new": 1_030_000_000, d: 1_050_000_000 };
  for (const [name, time] of Object.entries(times)) execFileSync("touch", ["-d", `@${time}`, path.join(at, name)]);
  return tarOf(at, "--gzip");
}

suite("SOURCE_DATE_EPOCH=context", () => {
  test("of a folder is none", async (t) => {
    const it = workshop(t);
    const context = folder(it.folder, SHOW);
    assert.equal((await it.build(context, { flags: ASKED })).read("epoch"), "\n");
    assert.equal((await it.build(context, { environment: { SOURCE_DATE_EPOCH: "context" } })).read("epoch"), "\n");
  });

  test("of an archive is the time of its newest file", async (t) => {
    const it = workshop(t);
    const stdin = archive(it.folder, SHOW);
    assert.equal((await it.build("-", { stdin, flags: ASKED })).read("epoch"), "1030000000\n");
  });

  test("may be asked for by the Dockerfile", async (t) => {
    const it = workshop(t);
    const stdin = archive(it.folder, `ARG SOURCE_DATE_EPOCH=context\n${SHOW}`);
    assert.equal((await it.build("-", { stdin })).read("epoch"), "1030000000\n");
    const flags = ["--build-arg", "SOURCE_DATE_EPOCH=5"];
    assert.equal((await it.build("-", { stdin, flags })).read("epoch"), "5\n");
  });

  for (const [what, header, seconds] of [
    ["is its Last-Modified", MODIFIED, MODIFIED_SECONDS],
    ["without Last-Modified is that of an archive's newest file", undefined, "1030000000\n"],
  ] as const) {
    test(`of a URL ${what}`, async (t) => {
      const it = workshop(t);
      const bytes = archive(it.folder, SHOW);
      const server = await serve(t, (_, response) => {
        if (header !== undefined) response.setHeader("last-modified", header);
        response.end(bytes);
      });
      assert.equal((await it.build(`${server.url}/c.tgz`, { flags: ASKED })).read("epoch"), seconds);
    });
  }

  test("of a Dockerfile by URL that nobody dates is none", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => void response.end(SHOW));
    assert.equal((await it.build(`${server.url}/Dockerfile`, { flags: ASKED })).read("epoch"), "\n");
  });

  test("of a repository is the commit's time", { skip: HAS_GIT ? false : "there is no git" }, async (t) => {
    const it = workshop(t);
    const url = await repository(t, it.folder, SHOW);
    assert.equal((await it.build(url, { flags: ASKED })).read("epoch"), MODIFIED_SECONDS);
  });
});

suite("SOURCE_DATE_EPOCH of something else", () => {
  test("a named context by URL, and one that is a folder", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => {
      response.setHeader("last-modified", MODIFIED);
      response.end("bytes");
    });
    const context = folder(it.folder, SHOW);
    const flags = ["--build-context", `src=${server.url}/x`, "--build-arg", "SOURCE_DATE_EPOCH=src"];
    assert.equal((await it.build(context, { flags })).read("epoch"), MODIFIED_SECONDS);
    const local = ["--build-context", `src=${context}`, "--build-arg", "SOURCE_DATE_EPOCH=src"];
    assert.equal((await it.build(context, { flags: local })).read("epoch"), "\n");
  });

  test("a stage that adds one thing from the network", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => {
      response.setHeader("last-modified", MODIFIED);
      response.end("bytes");
    });
    const stage = `FROM scratch AS Dated\nARG NAME=x\nADD ${server.url}/$NAME /\n`;
    const flags = ["--build-arg", "SOURCE_DATE_EPOCH=dated"];
    assert.equal((await it.build(folder(it.folder, stage + SHOW), { flags })).read("epoch"), MODIFIED_SECONDS);
    for (const [body, message] of [
      ["FROM scratch AS dated\nADD old /\n", /must be a single HTTP\(S\) or Git ADD/],
      [`FROM scratch AS dated\nADD ${server.url}/a ${server.url}/b /\n`, /exactly one remote ADD source/],
      [`FROM scratch AS dated\nADD ${server.url}/a /\nADD ${server.url}/b /\n`, /exactly one remote ADD$/],
      ["FROM scratch AS dated\n", /exactly one remote ADD$/],
      ["FROM scratch AS dated\nCOPY old /\n", /unsupported COPY instruction/],
      ["FROM old AS dated\n", /must use FROM scratch/],
      ["", /^invalid SOURCE_DATE_EPOCH: dated$/],
    ] as const) {
      await assert.rejects(it.build(folder(it.folder, body + SHOW), { flags }), { code: "DOCKERFILE", message });
    }
  });
});

async function repository(t: TestContext, parent: string, dockerfile: string): Promise<string> {
  const work = folder(parent, dockerfile);
  git(work, "init", "--quiet");
  git(work, "add", ".");
  git(work, "commit", "--quiet", "-m", "1");
  git(work, "clone", "--quiet", "--bare", work, path.join(parent, "served/r.git"));
  return `${(await serveSmart(t, path.join(parent, "served"))).url}/r.git`;
}

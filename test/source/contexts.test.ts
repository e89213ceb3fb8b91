// Build contexts of every kind, from the flags of `docker build` to files: what is in the result, and what is said of it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";

import { serveSmart } from "./git-servers.ts";
import { git, HAS_GIT, serve } from "./support.ts";
import { fill, tarOf, workshop } from "./workshop.ts";

const COPY_ALL = "FROM scratch\nCOPY . /\n";

suite("an archive on standard input", () => {
  for (const [name, program] of [
    ["plain", undefined],
    ["gzip", "gzip"],
    ["bzip2", "bzip2"],
    ["xz", "xz"],
    ["zstd", "zstd"],
  ] as const) {
    test(`${name} is a context that keeps its owners`, async (t) => {
      const it = workshop(t);
      const tar = tarOf(fill(path.join(it.folder, "c"), { Dockerfile: COPY_ALL, a: "a" }));
      const stdin = program === undefined ? tar : execFileSync(program, ["-c"], { input: tar });
      const { files, steps } = await it.build("-", { stdin });
      assert.deepEqual(files, ["Dockerfile 1000/2000 -rw-r--r--", "a 1000/2000 -rw-r--r--"]);
      assert.deepEqual(steps.slice(0, 1), ["[internal] load build context"]);
    });
  }

  test("names another Dockerfile by -f, also in lower case", async (t) => {
    const it = workshop(t);
    const folder = fill(path.join(it.folder, "c"), {
      "sub/x": "FROM scratch\nCOPY sub/y /\n",
      "sub/y": "y",
      dockerfile: COPY_ALL,
    });
    assert.deepEqual((await it.build("-", { stdin: tarOf(folder), flags: ["-f", "sub/x"] })).files, [
      "y 1000/2000 -rw-r--r--",
    ]);
    assert.equal((await it.build("-", { stdin: tarOf(folder) })).files.length, 4);
  });

  test("without a Dockerfile is an error that says where it was looked for", async (t) => {
    const it = workshop(t);
    const stdin = tarOf(fill(path.join(it.folder, "c"), { a: "a" }));
    await assert.rejects(it.build("-", { stdin }), {
      message: "failed to read dockerfile: open Dockerfile: no such file or directory",
    });
  });

  test("that is cut is an error", async (t) => {
    const it = workshop(t);
    const stdin = execFileSync("gzip", ["-c"], {
      input: tarOf(fill(path.join(it.folder, "c"), { Dockerfile: COPY_ALL, a: "a".repeat(5000) })),
    });
    await assert.rejects(it.build("-", { stdin: stdin.subarray(0, stdin.length - 20) }), /cut|truncated/);
  });

  test("with a Dockerfile that is a link out of it reads nothing of this machine", async (t) => {
    const it = workshop(t);
    const folder = fill(path.join(it.folder, "c"), { a: "a" });
    symlinkSync("/etc/passwd", path.join(folder, "Dockerfile"));
    await assert.rejects(it.build("-", { stdin: tarOf(folder) }), /failed to read dockerfile/);
  });
});

suite("standard input that is no archive", () => {
  test("is a Dockerfile without a context", async (t) => {
    const it = workshop(t);
    const { files } = await it.build("-", { stdin: Buffer.from("FROM scratch\nCOPY <<EOF /a\nhello\nEOF\n") });
    assert.deepEqual(files, ["a 0/0 -rw-r--r--"]);
    await assert.rejects(it.build("-", { stdin: Buffer.from(COPY_ALL.replace(".", "b")) }), /"\/b": not found/);
  });

  test("and another Dockerfile are one too many", async (t) => {
    const it = workshop(t);
    await assert.rejects(
      it.build("-", { stdin: Buffer.from(COPY_ALL), flags: ["-f", "x"] }),
      /ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles/,
    );
  });

  test("that is empty is a clear error", async (t) => {
    await assert.rejects(workshop(t).build("-"), /standard input is empty/);
  });
});

suite("a context by URL", () => {
  test("is unpacked when it is an archive", async (t) => {
    const it = workshop(t);
    const tar = tarOf(fill(path.join(it.folder, "c"), { Dockerfile: COPY_ALL, ".dockerignore": "a", a: "a" }), "-z");
    const server = await serve(t, (_, response) => void response.end(tar));
    const { files, steps } = await it.build(`${server.url}/c.tgz`);
    assert.deepEqual(files, [
      ".dockerignore 1000/2000 -rw-r--r--",
      "Dockerfile 1000/2000 -rw-r--r--",
      "a 1000/2000 -rw-r--r--",
    ]);
    assert.equal(steps[0], "[internal] load remote build context");
    assert.deepEqual(server.requests, ["GET /c.tgz"]);
  });

  test("is the Dockerfile, and the only file, when it is none", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => void response.end("FROM scratch\nCOPY context /c\n"));
    assert.deepEqual((await it.build(`${server.url}/Dockerfile`)).files, ["c 0/0 -rw-------"]);
    assert.deepEqual(server.requests, ["GET /Dockerfile"]);
  });

  test("the Dockerfile alone may be one", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => void response.end(COPY_ALL));
    const context = fill(path.join(it.folder, "c"), { a: "a" });
    assert.deepEqual((await it.build(context, { flags: ["-f", `${server.url}/x`] })).files, ["a 0/0 -rw-r--r--"]);
  });
});

suite("a folder", () => {
  test("takes the Dockerfile from standard input, from outside, through a link, in lower case", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), { a: "a", dockerfile: "FROM scratch\nCOPY a /lower\n" });
    const outside = path.join(fill(path.join(it.folder, "d"), { x: "FROM scratch\nCOPY a /outside\n" }), "x");
    symlinkSync(outside, path.join(context, "link"));
    const stdin = Buffer.from("FROM scratch\nCOPY a /stdin\n");
    assert.deepEqual((await it.build(context, { flags: ["-f", "-"], stdin })).files, ["stdin 0/0 -rw-r--r--"]);
    assert.deepEqual((await it.build(context, { flags: ["-f", outside] })).files, ["outside 0/0 -rw-r--r--"]);
    assert.deepEqual((await it.build(context, { flags: ["-f", path.join(context, "link")] })).files, [
      "outside 0/0 -rw-r--r--",
    ]);
    assert.deepEqual((await it.build(context)).files, ["lower 0/0 -rw-r--r--"]);
    await assert.rejects(it.build(context, { flags: ["-f", "none"] }), {
      message: "failed to read dockerfile: open none: no such file or directory",
    });
    await assert.rejects(it.build(context, { flags: ["-f", context] }), /is a directory, not a Dockerfile/);
  });

  test("has the ignore file of its Dockerfile before its own, and messages name the line", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), {
      Dockerfile: COPY_ALL,
      ".dockerignore": "\ufeff# no\n\na\n",
      "x.dockerignore": "b\n*ockerfile*\n*ignore\n",
      x: COPY_ALL,
      a: "a",
      b: "b",
    });
    assert.deepEqual(
      (await it.build(context, { flags: ["-f", path.join(context, "x")] })).files.map((line) => line.split(" ")[0]),
      ["a", "x"],
    );
    writeFileSync(path.join(context, "Dockerfile"), "FROM scratch\nCOPY a /\n");
    await assert.rejects(
      it.build(context),
      (error: Error & { hint?: string }) => error.hint === '".dockerignore" line 3 ("a") leaves it out',
    );
  });

  test("tells its steps under BuildKit's names", async (t) => {
    const it = workshop(t);
    const { steps } = await it.build(fill(path.join(it.folder, "c"), { Dockerfile: COPY_ALL }));
    assert.deepEqual(steps.slice(0, 4), [
      "[internal] load build definition from Dockerfile",
      "[internal] load .dockerignore",
      "[internal] load build context",
      "[1/1] COPY . /",
    ]);
  });

  test("sees other bytes under the same size and mtime", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), { Dockerfile: COPY_ALL, a: "one" });
    const age = (): Buffer => execFileSync("touch", ["-d", "2020-01-01", path.join(context, "a")]);
    age();
    assert.equal((await it.build(context)).read("a"), "one");
    writeFileSync(path.join(context, "a"), "two");
    age();
    assert.equal((await it.build(context)).read("a"), "two");
  });
});

suite("a git context", { skip: HAS_GIT ? false : "there is no git" }, () => {
  async function repository(t: TestContext, folder: string): Promise<string> {
    const work = fill(path.join(folder, "repo/work"), {
      Dockerfile: COPY_ALL,
      ".dockerignore": "a",
      a: "a",
      "sub/x": "FROM scratch\nCOPY . /\n",
      "sub/dockerfile": "FROM scratch\nCOPY x /lower\n",
    });
    git(work, "init", "--quiet");
    git(work, "add", ".");
    git(work, "commit", "--quiet", "-m", "1");
    git(work, "clone", "--quiet", "--bare", work, path.join(folder, "repo/r.git"));
    return `${(await serveSmart(t, path.join(folder, "repo"))).url}/r.git`;
  }

  test("gives its files, whatever its ignore file says", async (t) => {
    const it = workshop(t);
    const url = await repository(t, it.folder);
    const { files, steps } = await it.build(url);
    assert.deepEqual(
      files.map((line) => line.split(" ")[0]),
      [".dockerignore", "Dockerfile", "a", "sub/", "sub/dockerfile", "sub/x"],
    );
    assert.equal(steps[0], `[internal] load git source ${url}`);
  });

  test("may be a subdirectory, with the Dockerfile in it", async (t) => {
    const it = workshop(t);
    const url = await repository(t, it.folder);
    assert.deepEqual(
      (await it.build(`${url}#main:sub`, { flags: ["-f", "x"] })).files.map((line) => line.split(" ")[0]),
      ["dockerfile", "x"],
    );
    assert.deepEqual(
      (await it.build(`${url}?branch=main&subdir=sub`)).files.map((line) => line.split(" ")[0]),
      ["lower"],
    );
  });

  test("keeps .git when the build argument says so, and has the commit's time with an epoch", async (t) => {
    const it = workshop(t);
    const url = await repository(t, it.folder);
    const { files } = await it.build(url, { flags: ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"] });
    assert.ok(files.some((line) => line.startsWith(".git/HEAD ")));
    await it.build(url, { environment: { SOURCE_DATE_EPOCH: "1800000000" } });
    const times = execFileSync("tar", ["--utc", "-tvf", path.join(it.folder, "result.tar"), "a"], { encoding: "utf8" });
    assert.match(times, /2023-11-14 22:13/);
  });

  test("may be a named one", async (t) => {
    const it = workshop(t);
    const url = await repository(t, it.folder);
    const context = fill(path.join(it.folder, "c"), { Dockerfile: "FROM scratch\nCOPY --from=src a /\n" });
    assert.deepEqual((await it.build(context, { flags: ["--build-context", `src=${url}`] })).files, [
      "a 0/0 -rw-r--r--",
    ]);
  });
});

suite("a named context", () => {
  test("that is a folder has its own ignore file", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), {
      Dockerfile: "FROM scratch\nCOPY --from=src . /named/\nCOPY m /\n",
      m: "m",
    });
    const named = fill(path.join(it.folder, "n"), { ".dockerignore": ".dockerignore\nb\n", a: "a", b: "b" });
    const { files, steps } = await it.build(context, { flags: ["--build-context", `src=${named}`] });
    assert.deepEqual(
      files.map((line) => line.split(" ")[0]),
      ["m", "named/", "named/a"],
    );
    assert.ok(steps.includes("[context src] load .dockerignore"));
  });

  test("by URL is one file, whatever it is", async (t) => {
    const it = workshop(t);
    const server = await serve(t, (_, response) => void response.end("bytes"));
    const context = fill(path.join(it.folder, "c"), { Dockerfile: "FROM scratch\nCOPY --from=u . /\n" });
    assert.deepEqual((await it.build(context, { flags: ["--build-context", `u=${server.url}/x.tar`] })).files, [
      "context 0/0 -rw-------",
    ]);
  });

  test("may be for one platform, and scratch", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), { Dockerfile: "FROM base\nCOPY . /\n" });
    const [arm, any] = ["arm", "any"].map((name) => fill(path.join(it.folder, name), { [name]: name }));
    const flags = ["--build-context", `base::linux/arm64=${arm}`, "--build-context", `base=${any}`];
    assert.ok(
      (await it.build(context, { flags: [...flags, "--platform", "linux/arm64"] })).files.some((line) =>
        line.startsWith("arm "),
      ),
    );
    assert.ok(
      (await it.build(context, { flags: [...flags, "--platform", "linux/amd64"] })).files.some((line) =>
        line.startsWith("any "),
      ),
    );
    assert.deepEqual((await it.build(context, { flags: ["--build-context", "base=docker-image://scratch"] })).files, [
      "Dockerfile 0/0 -rw-r--r--",
    ]);
  });
});

suite("a context in the place of a frontend", () => {
  test("may be docker/dockerfile again, and nothing else", async (t) => {
    const it = workshop(t);
    const context = fill(path.join(it.folder, "c"), {
      Dockerfile: "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a /\n",
      a: "a",
    });
    const place = (what: string): string[] => ["--build-context", `docker/dockerfile:1=${what}`];
    const { files } = await it.build(context, { flags: place("docker-image://docker/dockerfile:1.7-labs") });
    assert.equal(files.length, 1);
    for (const other of ["docker-image://example/frontend:2", context]) {
      await assert.rejects(it.build(context, { flags: place(other) }), {
        code: "UNSUPPORTED",
        message: /in the place of "docker\/dockerfile:1", is not supported$/,
      });
    }
    const another = fill(path.join(it.folder, "d"), { Dockerfile: "# syntax=example/frontend\nFROM scratch\n" });
    const flags = ["--build-context", "example/frontend=docker-image://docker/dockerfile"];
    await it.build(another, { flags });
    await assert.rejects(it.build(another), { code: "UNSUPPORTED" });
  });
});

suite("ADD of an unchanged URL", () => {
  test("is not made again, and of a changed one is", async (t) => {
    const it = workshop(t);
    const state = { body: "one", etag: '"1"' };
    const server = await serve(t, (request, response) => {
      response.setHeader("etag", state.etag);
      response.end(request.method === "HEAD" ? undefined : state.body);
    });
    const context = fill(path.join(it.folder, "c"), { Dockerfile: `FROM scratch\nADD ${server.url}/f /\n` });
    assert.equal((await it.build(context)).read("f"), "one");
    assert.equal((await it.build(context)).read("f"), "one");
    assert.deepEqual(server.requests, ["GET /f", "HEAD /f"]);
    Object.assign(state, { body: "two", etag: '"2"' });
    assert.equal((await it.build(context)).read("f"), "two");
  });
});

// Files by URL, from a server that does well and from ones that do not.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";

import { BuildError } from "../../builder/core/errors.ts";
import type { HttpLimits } from "../../builder/source/http-file.ts";
import { openHttpFile } from "../../builder/source/http-file.ts";
import type { HttpSource, RemoteOptions } from "../../builder/source/remote.ts";
import { remoteOptions, serve, sessionWith, temporaryFolder, textOf } from "./support.ts";

const source = (url: string, changes: Partial<HttpSource> = {}): HttpSource => ({
  type: "http",
  url,
  fileName: "f",
  ...changes,
});

async function textAt(url: string, options: RemoteOptions, changes: Partial<HttpSource> = {}): Promise<string> {
  const asked = source(url, changes);
  return await textOf((await openHttpFile(asked, options)).tree, asked.fileName);
}

/** A server with one text, under a tag. */
async function tagged(
  t: TestContext,
  state: { body: string; etag: string | undefined },
): Promise<Awaited<ReturnType<typeof serve>>> {
  return await serve(t, (request, response) => {
    if (state.etag !== undefined) response.setHeader("etag", state.etag);
    if (request.headers["if-none-match"]?.split(", ").includes(state.etag ?? "") === true) {
      response.writeHead(304).end();
      return;
    }
    response.end(request.method === "HEAD" ? undefined : state.body);
  });
}

const ok =
  (body: string, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(200, headers).end(body);

suite("a file by URL", () => {
  test("is private, owned by root, and as old as the server says", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, ok("hello", { "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT" }));
    const { tree } = await openHttpFile(source(`${server.url}/x`), options);
    const entry = tree.lstat("f");
    assert.deepEqual(
      [entry?.mode, entry?.uid, entry?.gid, entry?.size, entry?.mtimeNs],
      [0o600, 0, 0, 5, 1_700_000_000_000_000_000n],
    );
    assert.deepEqual(tree.list(""), ["f"]);
  });

  test("has the time 0 when the server says none, or nonsense", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    for (const headers of [{}, { "last-modified": "yesterday" }]) {
      const server = await serve(t, ok("x", headers));
      assert.equal((await openHttpFile(source(server.url), options)).tree.lstat("f")?.mtimeNs, 0n);
    }
  });

  test("is in the clear when the server compressed it for the way", async (t) => {
    const server = await serve(
      t,
      (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain text")),
    );
    assert.equal(await textAt(server.url, remoteOptions(temporaryFolder(t))), "plain text");
    assert.equal(server.headers[0]?.["accept-encoding"], "gzip");
  });

  test("that is not there is an error with the status", async (t) => {
    const server = await serve(t, (_, response) => void response.writeHead(404).end("no"));
    await assert.rejects(textAt(server.url, remoteOptions(temporaryFolder(t))), /invalid response status 404/);
  });

  test("that breaks off is an error and leaves nothing behind", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, (_, response) => {
      response.writeHead(200, { "content-length": "1000", etag: '"a"' });
      response.write("only this");
      setTimeout(() => response.destroy(), 20);
    });
    await assert.rejects(textAt(server.url, options), /broke off after 9 of 1000 bytes/);
    assert.deepEqual(readdirSync(path.join(options.storeDirectory, "http/blobs/sha256")), []);
    assert.deepEqual(readdirSync(options.workDirectory), []);
    await assert.rejects(textAt(server.url, options), /broke off/);
  });

  test("whose chunked transfer is cut is an error too", async (t) => {
    const server = await serve(t, (_, response) => {
      response.writeHead(200);
      response.write("half");
      setTimeout(() => response.socket?.destroy(), 20);
    });
    await assert.rejects(textAt(server.url, remoteOptions(temporaryFolder(t))), /broke off after 4 bytes/);
  });

  test("that is larger than allowed is an error", async (t) => {
    const server = await serve(t, ok("x".repeat(100)));
    const limits: HttpLimits = { maxBytes: 99 };
    await assert.rejects(
      openHttpFile(source(server.url), remoteOptions(temporaryFolder(t)), limits),
      /larger than 99 bytes/,
    );
  });

  test("ends at once when the build is stopped", async (t) => {
    const stop = new AbortController();
    const server = await serve(t, (_, response) => {
      response.writeHead(200).write("slow");
      setTimeout(() => stop.abort(new BuildError("CANCELLED", "stopped")), 20);
    });
    await assert.rejects(textAt(server.url, remoteOptions(temporaryFolder(t), { signal: stop.signal })), /stopped/);
  });
});

suite("a checksum", () => {
  const sum = (algorithm: string, text: string): string =>
    `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;

  test("that agrees is no news, in any of the algorithms", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, ok("text"));
    for (const algorithm of ["sha256", "sha384", "sha512"])
      assert.equal(await textAt(server.url, options, { checksum: sum(algorithm, "text") }), "text");
  });

  test("that does not is an error that names both", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, ok("text"));
    for (const algorithm of ["sha256", "sha512"]) {
      const checksum = sum(algorithm, "other");
      await assert.rejects(textAt(server.url, options, { checksum }), {
        message: `digest mismatch ${sum(algorithm, "text")}: ${checksum}`,
      });
    }
    await assert.rejects(
      textAt(server.url, options, { checksum: sum("sha256", "other") }),
      /digest mismatch/,
      "the wrong one was not kept as the right one",
    );
  });

  test("makes a known file one that nobody is asked for", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, ok("text"));
    const checksum = sum("sha256", "text");
    await textAt(server.url, options, { checksum });
    assert.equal(await textAt(server.url, options, { checksum }), "text");
    assert.deepEqual(server.requests, ["GET /"]);
  });
});

suite("the second time", () => {
  test("a file with the same tag is not sent again", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const state = { body: "one", etag: '"1"' };
    const server = await tagged(t, state);
    assert.equal(await textAt(server.url, options), "one");
    assert.equal(await textAt(server.url, options), "one");
    assert.deepEqual(server.requests, ["GET /", "HEAD /"]);
  });

  test("a changed one is, and going back is known again", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const state = { body: "one", etag: '"1"' };
    const server = await tagged(t, state);
    await textAt(server.url, options);
    Object.assign(state, { body: "two", etag: '"2"' });
    assert.equal(await textAt(server.url, options), "two");
    Object.assign(state, { body: "one", etag: 'W/"1"' });
    assert.equal(await textAt(server.url, options), "one");
    assert.deepEqual(server.requests, ["GET /", "HEAD /", "GET /", "HEAD /"]);
  });

  test("one without a tag always is: size and time prove nothing", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    let body = "one";
    const server = await serve(
      t,
      (_, response) => void response.writeHead(200, { "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT" }).end(body),
    );
    await textAt(server.url, options);
    body = "two";
    assert.equal(await textAt(server.url, options), "two");
  });

  test("a server that knows no HEAD is asked by GET", async (t) => {
    const options = remoteOptions(temporaryFolder(t));
    const server = await serve(t, (request, response) => {
      if (request.method === "HEAD") response.writeHead(405).end();
      else if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end();
      else response.writeHead(200, { etag: '"1"' }).end("one");
    });
    await textAt(server.url, options);
    assert.equal(await textAt(server.url, options), "one");
    assert.deepEqual(server.requests, ["GET /", "HEAD /", "GET /"]);
  });

  test("with other credentials nothing is known", async (t) => {
    const folder = temporaryFolder(t);
    const server = await tagged(t, { body: "one", etag: '"1"' });
    await textAt(server.url, remoteOptions(folder));
    await textAt(server.url, remoteOptions(folder, { session: sessionWith({ "HTTP_AUTH_TOKEN_127.0.0.1": "t" }) }));
    assert.deepEqual(server.requests, ["GET /", "GET /"]);
  });
});

suite("redirects and credentials", () => {
  test("a redirect is followed, and the name stays that of the request", async (t) => {
    const server = await serve(t, (request, response) => {
      if (request.url === "/a") response.writeHead(302, { location: "/b" }).end();
      else response.end("there");
    });
    assert.equal(await textAt(`${server.url}/a`, remoteOptions(temporaryFolder(t))), "there");
  });

  test("a loop ends", async (t) => {
    const server = await serve(t, (_, response) => void response.writeHead(302, { location: "/" }).end());
    await assert.rejects(textAt(server.url, remoteOptions(temporaryFolder(t))), /redirects more than 10 times/);
  });

  test("a redirect to something that is not http is refused", async (t) => {
    const server = await serve(
      t,
      (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end(),
    );
    await assert.rejects(textAt(server.url, remoteOptions(temporaryFolder(t))), /redirects to "file:"/);
  });

  test("a token goes to its host and not to where that one redirects", async (t) => {
    const other = await serve(t, ok("there"), "127.0.0.2");
    const server = await serve(t, (_, response) => void response.writeHead(302, { location: `${other.url}/x` }).end());
    const session = sessionWith({ "HTTP_AUTH_TOKEN_127.0.0.1": "secret" });
    assert.equal(await textAt(server.url, remoteOptions(temporaryFolder(t), { session })), "there");
    assert.equal(server.headers[0]?.authorization, "Bearer secret");
    assert.equal(other.headers[0]?.authorization, undefined);
  });

  test("a header of several lines is refused", async (t) => {
    const session = sessionWith({ "HTTP_AUTH_HEADER_127.0.0.1": "a\r\nx: y" });
    const server = await serve(t, ok("x"));
    await assert.rejects(
      textAt(server.url, remoteOptions(temporaryFolder(t), { session })),
      /cannot stand in an HTTP header/,
    );
  });

  test("a password in a URL is used and not shown", async (t) => {
    const server = await serve(t, (_, response) => void response.writeHead(403).end());
    const url = server.url.replace("://", "://me:hunter2@");
    await assert.rejects(
      textAt(url, remoteOptions(temporaryFolder(t))),
      (error: Error) => !error.message.includes("hunter2") && /status 403/.test(error.message),
    );
    assert.equal(server.headers[0]?.authorization, `Basic ${Buffer.from("me:hunter2").toString("base64")}`);
  });

  test("a proxy of the environment is used", async (t) => {
    const proxy = await serve(t, ok("from the proxy"));
    const options = remoteOptions(temporaryFolder(t), { environment: new Map([["http_proxy", proxy.url]]) });
    assert.equal(await textAt("http://nowhere.example/file", options), "from the proxy");
    assert.deepEqual(proxy.requests, ["GET http://nowhere.example/file"]);
  });
});

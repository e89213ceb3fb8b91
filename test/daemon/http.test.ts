// HTTP/1.1 beside gRPC at one address: told apart by its first bytes, routed by path, and whatever comes in badly is
// answered with a status and a sentence.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage, RequestOptions } from "node:http";
import { request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { text } from "node:stream/consumers";
import { readJson, sendJson, write } from "../../src/daemon/http/answer.ts";
import { Protocols } from "../../src/daemon/http/protocol.ts";
import type { Route } from "../../src/daemon/http/router.ts";
import { HttpServer } from "../../src/daemon/http/server.ts";

const CHUNK = Buffer.alloc(16 << 10, "x");
let written = 0;
let endless: Promise<void> = Promise.resolve();
const stop = new AbortController();

const routes: readonly Route[] = [
  {
    method: "GET",
    pattern: "/images/{name...}/json",
    handler: async ({ parameters, query }, response) =>
      sendJson(response, 200, { name: parameters["name"], all: query.getAll("t") }),
  },
  {
    method: "POST",
    pattern: "/json",
    handler: async ({ body }, response) => sendJson(response, 200, await readJson(body)),
  },
  {
    method: "GET",
    pattern: "/endless",
    handler: (_, response) =>
      (endless = (async () => {
        for (;;) {
          await write(response, CHUNK);
          written++;
        }
      })()),
  },
];

let folder = "";
let path = "";
const http2: string[] = [];
const server = new HttpServer({ routes, upgrades: [] }, stop.signal);
const protocols = new Protocols({
  http1: (connection) => server.accept(connection),
  http2: (connection) => {
    http2.push((connection.read() as Buffer).toString("latin1")); // nothing of it has been taken away
    connection.destroy();
  },
});
const listener = createServer((connection) => protocols.accept(connection));

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-http-"));
  path = join(folder, "s.sock");
  listener.listen(path);
  await once(listener, "listening");
});
after(async () => {
  stop.abort();
  protocols[Symbol.dispose]();
  await server.stop();
  listener.close();
  await rm(folder, { recursive: true });
});

test("a path is looked up without the version before it, decoded, and its query read", async () => {
  const { status, body } = await ask("GET", "/v1.51/images/a%2Fb/c:1/json?t=x&t=y");
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body), { name: "a/b/c:1", all: ["x", "y"] });
});

test("what nothing answers is 404, another method 405, a path that is none 400, each with a sentence", async () => {
  await refused(404, /nothing at \/nowhere/, "GET", "/nowhere");
  await refused(405, /PUT of \/json is not offered, only POST/, "PUT", "/json");
  await refused(400, /percent-encoded/, "GET", "/images/%zz/json");
});

test("a HEAD has the headers of a GET and no body", async () => {
  const { status, body, headers } = await ask("HEAD", "/images/a/json");
  assert.deepEqual([status, body], [200, ""]);
  assert.equal(headers["content-type"], "application/json");
});

test("a body that is no JSON, too large, or ends early is refused, and the next request is answered", async () => {
  await refused(400, /no JSON/, "POST", "/json", {}, "{");
  await refused(413, /larger than/, "POST", "/json", {}, `"${"x".repeat(5 << 20)}"`);
  const early = await opened();
  early.end('POST /json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"');
  assert.match(await text(early), /^HTTP\/1\.1 400 /);
  assert.equal((await ask("POST", "/json", {}, "1")).body, "1\n");
});

test("what is no request is answered as that, and headers without an end are not collected", async () => {
  const garbage = await opened();
  garbage.write("garbage\r\n\r\n");
  assert.match(await text(garbage), /^HTTP\/1\.1 400 [\s\S]*"message":"this is no request of HTTP\/1.1"/);
  const huge = await opened();
  huge.write(`GET / HTTP/1.1\r\nX-Huge: ${"x".repeat(1 << 20)}`);
  assert.match(await text(huge), /^HTTP\/1\.1 431 /);
});

test("a page of somebody else's may not change anything, one of this address may", async () => {
  await refused(403, /pages of http:\/\/evil\.example/, "POST", "/json", { origin: "http://evil.example" }, "1");
  const own = { origin: "http://127.0.0.1:7", host: "127.0.0.1:7" };
  assert.equal((await ask("POST", "/json", own, "1")).status, 200);
});

test("what listens on loopback goes by no name of the internet", async () => {
  const near = createServer((connection) => protocols.accept(connection));
  near.listen(0, "127.0.0.1");
  await once(near, "listening");
  const { port } = near.address() as AddressInfo;
  const statusFor = async (name: string): Promise<number | undefined> => {
    const headers = { host: `${name}:${port}` };
    const sent = request({ host: "127.0.0.1", port, path: "/images/a/json", headers, agent: false });
    const [response] = (await once(sent.end(), "response")) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  };
  const names = ["evil.example", "127.0.0.1.evil.example", "127.0.0.1", "[::1]", "localhost", "builder"];
  const statuses = await Promise.all(names.map(statusFor));
  near.close();
  assert.deepEqual(statuses, [403, 403, 200, 200, 200, 200]);
  assert.equal((await ask("GET", "/images/a/json", { host: "evil.example" })).status, 200, "no browser reaches a file");
});

test("a client that does not read holds its answer up, and one that goes ends it", async () => {
  const slow = await opened();
  slow.pause();
  slow.write("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  while (written === 0) await pause();
  let before = -1;
  while (written !== before) {
    before = written;
    await pause(100);
  }
  assert.ok(written < 1000, `${written} chunks were written for nobody`);
  slow.destroy();
  await assert.rejects(endless, /the client has gone/);
});

test("the preface of HTTP/2 is recognised however it is cut, and handed on whole", async () => {
  const connection = await opened();
  for (const piece of ["P", "RI", " * HTT"]) {
    connection.write(piece);
    await pause();
  }
  connection.write("P/2.0\r\n\r\nSM\r\n\r\n");
  await once(connection, "close");
  assert.deepEqual(http2, ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]);
});

test("what begins like the preface and is none is HTTP/1.1's", async () => {
  const connection = await opened();
  connection.write("PRINT");
  connection.write(" /x HTTP/1.1\r\n\r\n");
  assert.match(await text(connection), /^HTTP\/1\.1 400 /);
});

async function opened(): Promise<Socket> {
  const connection = connect(path);
  await once(connection, "connect");
  return connection;
}

async function ask(
  method: string,
  target: string,
  headers: RequestOptions["headers"] = {},
  body = "",
): Promise<{ readonly status: number; readonly body: string; readonly headers: IncomingMessage["headers"] }> {
  const sent = request({ socketPath: path, method, path: target, headers: { ...headers }, agent: false });
  sent.on("error", () => undefined); // an answer may come before all was sent
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers };
}

async function refused(status: number, message: RegExp, ...question: Parameters<typeof ask>): Promise<void> {
  const answer = await ask(...question);
  assert.equal(answer.status, status, answer.body);
  assert.match((JSON.parse(answer.body) as { message: string }).message, message);
}

async function pause(ms = 10): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

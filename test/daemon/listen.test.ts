// Where clients come in: what is refused, who may, and that TLS works for clients that name no protocol.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { GrpcClient } from "../../src/api/grpc/client.ts";
import { unary } from "../../src/api/grpc/methods.ts";
import { GrpcServer } from "../../src/api/grpc/server.ts";
import { upgradeRoutes } from "../../src/daemon/docker/upgrades.ts";
import { Sessions } from "../../src/daemon/session/sessions.ts";
import { sendJson } from "../../src/daemon/http/answer.ts";
import { Protocols } from "../../src/daemon/http/protocol.ts";
import type { HttpHandler } from "../../src/daemon/http/router.ts";
import { HttpServer } from "../../src/daemon/http/server.ts";
import type { ListenOptions } from "../../src/daemon/listen.ts";
import { listen } from "../../src/daemon/listen.ts";
import type { RefusedClient } from "../../src/daemon/refused-client.ts";
import { Empty, HealthRequest, HealthResponse } from "../../src/api/proto/control.ts";
import { connectTo } from "../support/build-client.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
const NEVER = new AbortController().signal;
const PLAIN: ListenOptions = { isInsecure: false, environment: {} };

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-listen-"));
});
after(() => rm(folder, { recursive: true }));

function refuse(address: string, options: ListenOptions, why: RegExp): Promise<void> {
  return assert.rejects(
    listen(address, options, () => undefined),
    why,
  );
}

test("an address that is none, or that is not safe, is refused", async () => {
  await refuse("/run/x.sock", PLAIN, /is no address/);
  await refuse("unix://x.sock", PLAIN, /not absolute/);
  await refuse("tcp://127.0.0.1", PLAIN, /is not tcp:\/\/HOST:PORT/);
  await refuse("tcp://127.0.0.1:0", PLAIN, /without TLS lets anybody/);
  await refuse("fd://", PLAIN, /no socket was handed over/);
  await writeFile(join(folder, "file"), "");
  await refuse(`unix://${join(folder, "file")}`, PLAIN, /is there, and no socket/);
  await refuse(`unix://${join(folder, "x".repeat(100))}`, PLAIN, /is longer than 107 bytes/);
  assert.deepEqual(await readdir(folder), ["file"], "a socket that was refused leaves nothing");
});

test("TCP without TLS is open to whoever says --insecure", async () => {
  const [listener] = await listen("tcp://127.0.0.1:0", { ...PLAIN, isInsecure: true }, (socket) => socket.end());
  assert.match(listener?.address ?? "", /^tcp:\/\/127\.0\.0\.1:\d+$/);
  await listener?.[Symbol.asyncDispose]();
});

test("a socket that a dead daemon left is taken over", async () => {
  const path = join(folder, "dead.sock");
  const child = spawn(process.execPath, [
    "-e",
    `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
  ]);
  await once(child, "exit");
  assert.ok((await stat(path)).isSocket());
  const [listener] = await listen(`unix://${path}`, PLAIN, (socket) => socket.end());
  await listener?.[Symbol.asyncDispose]();
  await assert.rejects(stat(path), { code: "ENOENT" });
});

test(
  "a group that is named may use the socket",
  { skip: process.getuid?.() === 0 ? false : "needs root" },
  async () => {
    const path = join(folder, "group.sock");
    const [listener] = await listen(`unix://${path}`, { ...PLAIN, group: 12345 }, (socket) => socket.end());
    const { mode, gid } = await stat(path);
    assert.deepEqual([mode & 0o777, gid], [0o660, 12345]);
    await listener?.[Symbol.asyncDispose]();
  },
);

test(
  "over TLS only clients with a certificate come in, also those that name no protocol; of others is told why not",
  { skip: noOpenssl },
  async () => {
    const authority = makeAuthority(folder, "ca");
    const own = makeCertificate(folder, "daemon", authority);
    const theirs = makeCertificate(folder, "client", authority);
    const expired = makeCertificate(folder, "expired", authority, undefined, -1);
    const stranger = makeCertificate(folder, "stranger", makeAuthority(folder, "other"));
    const server = new GrpcServer(
      new Map([["/grpc.health.v1.Health/Check", unary(HealthRequest, HealthResponse, () => ({ status: 1 }))]]),
    );
    const upgrades = upgradeRoutes(server, new Sessions());
    const pages = new HttpServer({ routes: [{ method: "GET", pattern: "/page", handler: page }], upgrades }, NEVER);
    using protocols = new Protocols({
      http2: (socket) => server.accept(socket),
      http1: (socket) => pages.accept(socket),
    });
    const tls = { certificate: own.certificatePath, key: own.keyPath, ca: authority.certificatePath };
    const refused: RefusedClient[] = [];
    const watched = { ...PLAIN, tls, onRefused: (one: RefusedClient) => void refused.push(one) };
    const [listener] = await listen("tcp://127.0.0.1:0", watched, (socket) => protocols.accept(socket));
    const port = Number(listener?.address.split(":").at(-1));
    const ask = async (client: ConnectionOptions): Promise<number> => {
      const socket = connectTls({ host: "127.0.0.1", port, ca: authority.certificate, ...client });
      socket.on("error", () => undefined);
      using grpc = new GrpcClient(socket);
      const types = [HealthRequest, HealthResponse] as const;
      return (await grpc.unary("/grpc.health.v1.Health/Check", types, {}, NEVER)).status;
    };
    const pair = { cert: theirs.certificate, key: theirs.key };
    assert.equal(await ask(pair), 1);
    assert.equal(await ask({ ...pair, ALPNProtocols: ["h2"] }), 1);
    await assert.rejects(ask({}));
    await assert.rejects(ask({ cert: stranger.certificate, key: stranger.key }));
    await assert.rejects(ask({ cert: expired.certificate, key: expired.key }));
    const plain = connect(port, "127.0.0.1");
    plain.on("error", () => undefined);
    plain.end("PRI * HTTP/2.0\r\n\r\n");
    await once(plain, "close");
    assert.deepEqual(
      refused.map(({ from, why, hungUp }) => `${from} ${why} ${hungUp}`),
      [
        "127.0.0.1 it showed no certificate false",
        "127.0.0.1 its certificate is not signed by our authority (--tlscacert) false",
        "127.0.0.1 its certificate, or that of its authority, has expired false",
        "127.0.0.1 it does not speak TLS false",
      ],
    );
    // Browsers offer both: pages are HTTP/1.1's.
    const browser = connectTls({
      ...{ host: "127.0.0.1", port, ca: authority.certificate, ...pair },
      ALPNProtocols: ["h2", "http/1.1"],
    });
    browser.write("GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.match(await text(browser), /^HTTP\/1\.1 200 OK[\s\S]*"a page"\n$/);
    assert.equal(browser.alpnProtocol, "http/1.1");
    // Docker's clients begin with a request, and turn to HTTP/2 then.
    for (const path of ["/grpc", "/session"]) {
      const docker = connectTls({ host: "127.0.0.1", port, ca: authority.certificate, ...pair });
      docker.on("error", () => undefined);
      docker.write(`POST ${path} HTTP/1.1\r\n${UPGRADE}`);
      await once(docker, "readable");
      assert.match(String(docker.read()), /^HTTP\/1\.1 101 /);
      if (path === "/session") {
        await new Promise(setImmediate);
        docker.destroy();
        continue;
      }
      using grpc = new GrpcClient(docker);
      const { status } = await grpc.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
      assert.equal(status, 1);
    }
    // An answer that is still to come has no place in the other protocol.
    const hasty = connectTls({ host: "127.0.0.1", port, ca: authority.certificate, ...pair });
    hasty.write(`GET /page HTTP/1.1\r\nHost: x\r\n\r\nPOST /grpc HTTP/1.1\r\n${UPGRADE}`);
    assert.doesNotMatch(await text(hasty), / 101 /);
    await listener?.[Symbol.asyncDispose]();
    await Promise.all([server.stop(), pages.stop()]);
  },
);

const UPGRADE = "Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: one\r\n\r\n";

const page: HttpHandler = (_, response) => {
  sendJson(response, 200, "a page");
  return Promise.resolve();
};

/** A service manager's ear: prints each datagram, until it is told of the end. */
const NOTIFIED = `$| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die; print "up\\n";
  while (defined recv(S, $_, 99, 0)) { print "$_\\n"; exit if /STOPPING/ }`;

test("a socket that a service manager opened is served, and stays when the daemon stops", async () => {
  const path = join(folder, "systemd.sock");
  const socket = createServer();
  socket.listen(path);
  await once(socket, "listening");
  // Node has no datagrams of unix sockets.
  const notified = join(folder, "notify.sock");
  const manager = spawn("perl", ["-MSocket", "-e", NOTIFIED, notified], { stdio: ["ignore", "pipe", "inherit"] });
  await once(manager.stdout, "data");
  const told = text(manager.stdout);
  const handle = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle; // what spawn hands on
  const child = spawn(process.execPath, [TSBUILD, "daemon", "--addr", "fd://", "--root", join(folder, "root")], {
    stdio: ["ignore", "ignore", "pipe", handle.fd],
    env: { ...process.env, LISTEN_FDS: "1", NOTIFY_SOCKET: notified },
  });
  let said = "";
  const { stderr } = child;
  assert.ok(stderr !== null);
  stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const ended = once(child, "exit");
  while (!said.includes("listening") && child.exitCode === null) await once(stderr, "data");
  assert.match(said, /"address":"fd:\/\/3"/);
  socket.removeAllListeners("connection");
  child.kill("SIGTERM");
  const [code] = await ended;
  assert.equal(code, 0);
  assert.match(said, /"msg":"stopped"/);
  assert.equal(await told, "READY=1\nSTOPPING=1\n");
  assert.ok((await stat(path)).isSocket());
  socket.close();
});

test("a daemon of its own serves, and ends well when it is told to", async () => {
  const path = join(folder, "own.sock");
  const child = spawn(
    process.execPath,
    [TSBUILD, "daemon", "--addr", `unix://${path}`, "--root", join(folder, "root")],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const ended = once(child, "exit");
  while (!said.includes("listening") && child.exitCode === null) await once(child.stderr, "data");
  const client = await connectTo(path);
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
  await assert.rejects(client.unary("/moby.buildkit.v1.Control/Nothing", [Empty, Empty], {}, NEVER), /unknown method/);
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  client[Symbol.dispose]();
  await assert.rejects(stat(path), { code: "ENOENT" });
});

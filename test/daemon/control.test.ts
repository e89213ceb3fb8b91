// The daemon as its clients see it: the API, builds of a client's folder, and clients that misbehave. Nothing of a build
// is left when it is over.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, readlink, rm, stat } from "node:fs/promises";
import http2 from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { DaemonOptions } from "../../src/daemon/daemon.ts";
import { serve } from "../../src/daemon/daemon.ts";
import type { GrpcClient } from "../../src/daemon/grpc/client.ts";
import { CODE, RpcError } from "../../src/daemon/grpc/status.ts";
import { PongResponse, ReturnRequest } from "../../src/daemon/proto/bridge.ts";
import {
  Empty,
  HealthRequest,
  HealthResponse,
  InfoResponse,
  ListWorkersRequest,
  ListWorkersResponse,
  SolveRequest,
  SolveResponse,
} from "../../src/daemon/proto/control.ts";
import {
  DiskUsageRequest,
  DiskUsageResponse,
  HistoryEvent,
  HistoryRequest,
  PruneRequest,
  UpdateHistoryRequest,
  UsageRecord,
} from "../../src/daemon/proto/disk.ts";
import type { Of } from "../../src/daemon/proto/message.ts";
import { Sessions } from "../../src/daemon/session/sessions.ts";
import { bridgeOf, buildThrough, connectTo, offerOf, openSession, statusOf } from "../support/build-client.ts";
import type { Offer } from "../support/build-client.ts";

const NEVER = new AbortController().signal;
const DOCKERFILE = "FROM scratch\nCOPY . /\n";

let folder = "";
let client: GrpcClient;
const stop = new AbortController();
let served: Promise<void>;
const said: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-daemon-"));
  served = serve(options("one.sock"), stop.signal);
  client = await connected(join(folder, "one.sock"));
});
after(async () => {
  client[Symbol.dispose]();
  stop.abort();
  await served;
  await rm(folder, { recursive: true });
});

test("says which version, which worker, and that it is well", async () => {
  const { version } = await client.unary("/moby.buildkit.v1.Control/Info", [Empty, InfoResponse], {}, NEVER);
  assert.equal(version?.package, "tsbuild");
  const types = [ListWorkersRequest, ListWorkersResponse] as const;
  const { records } = await client.unary("/moby.buildkit.v1.Control/ListWorkers", types, {}, NEVER);
  assert.deepEqual(
    records.map(({ platforms }) => platforms.map(({ os }) => os)),
    [["linux"]],
  );
  const health = await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
  assert.equal(health.status, 1);
});

test("its socket is its owner's alone, and another daemon refuses it", async () => {
  assert.equal((await stat(join(folder, "one.sock"))).mode & 0o777, 0o600);
  await assert.rejects(serve(options("one.sock"), NEVER), /listens on ".*one\.sock" already/);
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
});

test("an unknown method is unimplemented", async () => {
  await assert.rejects(client.unary("/x.Y/Z", [Empty, Empty], {}, NEVER), status(CODE.unimplemented, /unknown method/));
});

test("a build without a frontend, as clients begin with, ends when nothing is handed back", async () => {
  await using _session = openSession(client, "probe", offerOf({}));
  const solved = solve({ ref: "probe", session: "probe", internal: true });
  const bridge = bridgeOf(client, "probe");
  const { frontendCaps, llbCaps } = await bridge("Ping", [Empty, PongResponse], {});
  assert.ok(frontendCaps.length > 0 && llbCaps.length > 0);
  await bridge("Return", [ReturnRequest, Empty], {});
  assert.deepEqual([...(await solved).exporterResponse], []);
  assert.deepEqual(await statusOf(client, "probe").catch(status(CODE.notFound, /no such job/)), true);
});

test("a client's folder becomes a tar, and only what changed is asked for again", async () => {
  const first = offerOf({ Dockerfile: DOCKERFILE, "dir/": "", "dir/a": "A", b: "B" });
  const response = await build("tar1", first, [{ type: "tar", attrs: new Map() }]);
  assert.equal(response.get("containerimage.digest"), undefined);
  assert.match(first.outputs[0]?.toString("latin1") ?? "", /dir\/a.*ustar/s);
  assert.deepEqual(first.requested.toSorted(), ["Dockerfile", "Dockerfile", "b", "dir/a"]);

  const second = offerOf({ Dockerfile: DOCKERFILE, "dir/": "", "dir/a": "changed", b: "B" });
  await build("tar2", second, [{ type: "tar", attrs: new Map() }]);
  assert.deepEqual(second.requested, ["Dockerfile", "dir/a"]);
  assert.match(second.outputs[0]?.toString("latin1") ?? "", /changed/);

  const third = offerOf({ Dockerfile: DOCKERFILE, b: "B" });
  await build("tar3", third, [{ type: "tar", attrs: new Map() }]);
  assert.doesNotMatch(third.outputs[0]?.toString("latin1") ?? "", /dir\/a/);
});

test("a folder goes back to the client, and an image's digests are told", async () => {
  const offer = offerOf({ ".dockerignore": "no*\n", Dockerfile: DOCKERFILE, a: "A", "not-me": "x" });
  await build("local", offer, [{ type: "local", attrs: new Map() }]);
  assert.deepEqual(
    [...offer.received].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    [
      [".dockerignore", "no*\n"],
      ["Dockerfile", DOCKERFILE],
      ["a", "A"],
    ],
  );
  const response = await build("oci", offer, [{ type: "oci", attrs: new Map([["name", "app:1"]]) }]);
  assert.match(response.get("containerimage.digest") ?? "", /^sha256:/);
  assert.match(response.get("containerimage.config.digest") ?? "", /^sha256:/);
  assert.equal(response.get("image.name"), "docker.io/library/app:1");
  assert.match(offer.outputs.at(-1)?.toString("latin1") ?? "", /oci-layout/);
});

test("progress has BuildKit's names, and can be read again after the build", async () => {
  const offer = offerOf({ Dockerfile: DOCKERFILE, a: "A" });
  await build("progress", offer, [{ type: "tar", attrs: new Map() }]);
  const vertexes = (await statusOf(client, "progress")).flatMap((message) => message.vertexes);
  const names = new Set(vertexes.map(({ name }) => name));
  for (const name of [
    "[internal] load build definition from Dockerfile",
    "[internal] load .dockerignore",
    "[internal] load build context",
    "exporting to client tarball",
  ])
    assert.ok(names.has(name), name);
  assert.ok(vertexes.every(({ started, completed }) => completed === undefined || started !== undefined));
});

test("an error in the Dockerfile comes with its lines", async () => {
  const offer = offerOf({ Dockerfile: "FROM scratch\nFOO bar\n" });
  const error = await build("wrong", offer, []).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RpcError);
  assert.match(error.message, /unknown instruction: FOO/);
  const [detail] = error.status.details;
  assert.match(detail?.typeUrl ?? "", /errdefs\.Source\+json$/);
  const source = JSON.parse(Buffer.from(detail?.value ?? []).toString("utf8"));
  assert.deepEqual(source.ranges, [{ start: { line: 2 }, end: { line: 2 } }]);
  assert.equal(Buffer.from(source.info.data, "base64").toString("utf8"), "FROM scratch\nFOO bar\n");
});

test("what a client may not ask for, or nobody offers, is refused with a sentence", async () => {
  const offer = offerOf({ Dockerfile: DOCKERFILE });
  let count = 0;
  const asked = (attrs: Record<string, string>): Promise<unknown> => build(`no${count++}`, offer, [], attrs);
  await assert.rejects(asked({ "force-network-mode": "host" }), /network\.host is not allowed/);
  await assert.rejects(asked({ memory: "1000" }), /limits of a build's steps \(memory\)/);
  await assert.rejects(asked({ "context:x": "oci-layout://x@sha256:1" }), /oci-layout/);
  await assert.rejects(asked({ "context:x": "/etc" }), /is no build context/);
  const local = JSON.stringify([{ Type: "local", Attrs: { src: "/etc" } }]);
  await assert.rejects(asked({ "cache-imports": local }), /type=local of a client is not offered/);
  await assert.rejects(solve({ ref: "llb", definition: { ops: [Uint8Array.of(1)] } }), /LLB/);
  await assert.rejects(solve({ ref: "gw", frontend: "gateway.v0" }), /the frontend "" is not supported/);
});

test("a path of a Dockerfile never leaves the client's folder", async () => {
  const offer = offerOf({ Dockerfile: DOCKERFILE, "etc/": "", "etc/passwd": "FROM scratch\nCOPY a /\n", a: "A" });
  await build("inside", offer, [{ type: "tar", attrs: new Map() }], { filename: "../../etc/passwd" });
  assert.equal(offer.requested[0], "etc/passwd");
});

test("paths that leave the folder, come twice or before their folder are refused", async () => {
  for (const [at, path] of ["../x", "/x", "a/../../x", "nowhere/x", "a//b", "."].entries()) {
    const files = new Map([[path, { bytes: Buffer.from("x") }]]);
    const offer: Offer = { ...offerOf({ Dockerfile: DOCKERFILE }) };
    const folders = { ...offer.folders, context: files };
    await assert.rejects(build(`bad${at}`, { ...offer, folders }, []), /come in a way that cannot be understood/);
  }
});

test("builds that ended are listed with what came of them, and can be forgotten", async () => {
  await build("kept", offerOf({ Dockerfile: DOCKERFILE, a: "A" }), [{ type: "tar", attrs: new Map() }]);
  await assert.rejects(build("failed", offerOf({ Dockerfile: "FOO\n" }), []));
  assert.deepEqual(await history("kept"), [{ ref: "kept", error: undefined, isWhole: true }]);
  const [failed] = await history("failed");
  assert.match(failed?.error ?? "", /unknown instruction/);
  const update = async (request: Partial<Of<typeof UpdateHistoryRequest>>): Promise<unknown> =>
    await client.unary("/moby.buildkit.v1.Control/UpdateBuildHistory", [UpdateHistoryRequest, Empty], request, NEVER);
  await update({ ref: "kept", isDeleted: true });
  assert.deepEqual(await history("kept"), []);
  await assert.rejects(update({ ref: "failed", pinned: true }), status(CODE.unimplemented, /cannot be pinned/));
});

test("says what the store takes, and takes away what may go", async () => {
  await build("disk", offerOf({ Dockerfile: DOCKERFILE, a: "for the disk" }), [{ type: "tar", attrs: new Map() }]);
  const usage = async (): Promise<readonly Of<typeof UsageRecord>[]> => {
    const types = [DiskUsageRequest, DiskUsageResponse] as const;
    return (await client.unary("/moby.buildkit.v1.Control/DiskUsage", types, { filter: [""] }, NEVER)).records;
  };
  const before = await usage();
  assert.ok(before.some(({ recordType, size }) => recordType === "regular" && size > 0));
  await using call = client.call("/moby.buildkit.v1.Control/Prune", {}, NEVER);
  await call.send(PruneRequest.encode({ all: true }));
  call.end();
  const removed: string[] = [];
  for await (const message of call.messages) removed.push(UsageRecord.decode(message).id);
  assert.ok(removed.length > 0);
  const left = new Set((await usage()).map(({ id }) => id));
  assert.deepEqual(
    removed.filter((id) => left.has(id)),
    [],
  );
});

test("a session that never comes ends the build, and the wait can be cancelled", async () => {
  const sessions = new Sessions(1);
  await assert.rejects(sessions.find("x", NEVER), status(CODE.unavailable, /no active session/));
  const cancel = new AbortController();
  const waiting = new Sessions().find("x", cancel.signal);
  cancel.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("a client that vanishes while its files come leaves nothing", async () => {
  const opened = await openFiles();
  const gone = await connectTo(join(folder, "one.sock"));
  const reached = Promise.withResolvers<void>();
  const offer = offerOf(
    { Dockerfile: DOCKERFILE, a: "another" },
    {
      beforeFile: async (path) => {
        if (path !== "a") return;
        reached.resolve();
        await new Promise(() => undefined); // it will never come
      },
    },
  );
  openSession(gone, "gone", offer);
  const built = buildThrough(gone, { ref: "gone", session: "gone" }, {});
  built.catch(() => undefined);
  await reached.promise;
  gone[Symbol.dispose]();
  await assert.rejects(built);
  await told("build failed", "gone");
  // The log of an ended build stays readable: one file without a name.
  assert.ok((await openFiles()) <= opened + 1);
  // Its context is free: the same client comes back and needs no other place.
  await build("back", offerOf({ Dockerfile: DOCKERFILE, a: "another" }), [{ type: "tar", attrs: new Map() }]);
  assert.deepEqual(
    (await readdir(join(folder, "root/tsbuild/contexts"))).filter((name) => name.endsWith(".1")),
    [],
  );
  assert.deepEqual(await readdir(join(folder, "root/tsbuild/work")), []);
});

test("frames that are none end their call, and the others go on", async () => {
  const session = http2.connect("http://localhost", { createConnection: () => connect(join(folder, "one.sock")) });
  const answers: (string | undefined)[] = [];
  const bodies = [
    Buffer.from([1, 0, 0, 0, 0]), // compressed
    Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), // four GiB
    Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01]), // a number for a text
    Buffer.from([0, 0, 0, 0, 9, 1]), // cut
    Buffer.alloc(0), // nothing
  ];
  for (const body of bodies) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/moby.buildkit.v1.Control/Solve",
      "content-type": "application/grpc",
    });
    stream.end(body);
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    answers.push(headers["grpc-status"]);
    stream.resume();
    await once(stream, "close");
  }
  session.close();
  const { unimplemented, resourceExhausted, invalidArgument, internal } = CODE;
  const wanted = [unimplemented, resourceExhausted, invalidArgument, internal, invalidArgument];
  assert.deepEqual(answers, wanted.map(String));
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
});

test("bytes that are no HTTP/2 end their connection, and the others go on", async () => {
  const socket = connect(join(folder, "one.sock"));
  socket.on("error", () => undefined);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.resume();
  await once(socket, "close");
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
});

test("a response with many messages can be cancelled in the middle", async () => {
  const offer = offerOf({ Dockerfile: `FROM scratch\n${"COPY a /\n".repeat(40)}`, a: "A" });
  await build("many", offer, [{ type: "tar", attrs: new Map() }]);
  for (let round = 0; round < 5; round++) {
    const other = await connectTo(join(folder, "one.sock"));
    const reading = statusOf(other, "many");
    reading.catch(() => undefined);
    setImmediate(() => other[Symbol.dispose]());
    await reading.catch(() => undefined);
  }
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
});

test("told to stop it takes no new builds, cancels what does not end, and removes its socket", async () => {
  const end = new AbortController();
  const running = serve({ ...options("two.sock"), graceMs: 0 }, end.signal);
  const other = await connected(join(folder, "two.sock"));
  const reached = Promise.withResolvers<void>();
  const offer = offerOf(
    { Dockerfile: DOCKERFILE },
    {
      beforeFile: async () => {
        reached.resolve();
        await new Promise(() => undefined);
      },
    },
  );
  openSession(other, "slow", offer);
  const built = buildThrough(other, { ref: "slow", session: "slow" }, {});
  built.catch(() => undefined);
  await reached.promise;
  end.abort();
  await running;
  await assert.rejects(built);
  await assert.rejects(stat(join(folder, "two.sock")), { code: "ENOENT" });
  other[Symbol.dispose]();
});

function options(socket: string): DaemonOptions {
  return {
    addresses: [`unix://${join(folder, socket)}`],
    isInsecure: false,
    environment: {},
    graceMs: 1000,
    patienceMs: 300,
    log: (_level, what, facts = {}) =>
      void said.push(`${what} ${typeof facts["ref"] === "string" ? facts["ref"] : ""}`),
    settings: {
      root: join(folder, "root"),
      entitlements: [],
      maxParallelism: 1,
      requireSandbox: undefined,
      environment: new Map(),
      registries: () => ({
        router: () => Promise.reject(new Error("no registry in this test")),
        expandName: undefined,
      }),
    },
  };
}

async function connected(path: string): Promise<GrpcClient> {
  for (;;) {
    try {
      return await connectTo(path);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** What is told of builds of a name. */
async function history(
  ref: string,
): Promise<readonly { readonly ref: string; readonly error: string | undefined; readonly isWhole: boolean }[]> {
  await using call = client.call("/moby.buildkit.v1.Control/ListenBuildHistory", {}, NEVER);
  await call.send(HistoryRequest.encode({ ref, earlyExit: true }));
  call.end();
  const found = [];
  for await (const message of call.messages) {
    const { record } = HistoryEvent.decode(message);
    assert.ok(record !== undefined && record.totalSteps > 0);
    const { error, completedSteps, totalSteps } = record;
    found.push({ ref: record.ref, error: error?.message, isWhole: completedSteps === totalSteps });
  }
  return found;
}

let sessions = 0;

async function build(
  ref: string,
  offer: Offer,
  exporters: Parameters<typeof solve>[0]["exporters"],
  attrs: Record<string, string> = {},
): Promise<ReadonlyMap<string, string>> {
  const session = `session ${sessions++}`;
  await using _session = openSession(client, session, offer);
  return await buildThrough(client, { ref: `${ref}`, session, exporters: exporters ?? [] }, attrs);
}

async function solve(
  request: Parameters<(typeof SolveRequest)["encode"]>[0],
): Promise<ReturnType<(typeof SolveResponse)["decode"]>> {
  return await client.unary("/moby.buildkit.v1.Control/Solve", [SolveRequest, SolveResponse], request, NEVER);
}

function status(code: number, text: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof RpcError, String(error));
    assert.equal(error.status.code, code);
    assert.match(error.message, text);
    return true;
  };
}

/** Waits until the daemon's log tells of something. */
async function told(what: string, ref: string): Promise<void> {
  while (!said.includes(`${what} ${ref}`)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Files that this process has open; sockets and the like come and go. */
async function openFiles(): Promise<number> {
  let count = 0;
  for (const fd of await readdir("/proc/self/fd")) {
    const path = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
    if (path.startsWith(folder)) count++;
  }
  return count;
}

// The daemon as its clients see it: the API, and builds of a client's folder.

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { SourceRule } from "../../builder/source-policy.ts";
import { applyPolicies } from "../../builder/source-policy.ts";
import { serve } from "../../src/daemon/daemon.ts";
import { CODE, RpcError } from "../../src/api/grpc/status.ts";
import { StatusLog } from "../../src/daemon/control/status-log.ts";
import { PongResponse, ReturnRequest } from "../../src/api/proto/bridge.ts";
import {
  Empty,
  HealthRequest,
  HealthResponse,
  InfoResponse,
  ListWorkersRequest,
  ListWorkersResponse,
} from "../../src/api/proto/control.ts";
import {
  DiskUsageRequest,
  DiskUsageResponse,
  PruneRequest,
  UpdateHistoryRequest,
  UsageRecord,
} from "../../src/api/proto/disk.ts";
import type { SolveRequest } from "../../src/api/proto/control.ts";
import type { Of } from "../../src/api/proto/message.ts";
import { bridgeOf, offerOf, openSession, statusOf } from "../support/build-client.ts";
import type { Offer } from "../support/build-client.ts";
import { build, client, DOCKERFILE, folder, history, NEVER, options, solve, status } from "./running-daemon.ts";

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
  assert.deepEqual(await statusOf(client, "probe"), [], "a slow client asks for its progress when all is over");
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

test("only what the Dockerfile reads is brought, and what another one reads comes when it is built", async () => {
  const files = { "dir/": "", "dir/a": "A", "dir/b": "B", "x.go": "1", "y.go": "2", "z.txt": "3" };
  const brought = async (ref: string, lines: string): Promise<readonly string[]> => {
    const offer = offerOf({ Dockerfile: `FROM scratch\n${lines}`, ...files });
    const folders = { ...offer.folders, other: offer.folders["context"] ?? new Map() };
    await build(ref, { ...offer, folders }, [{ type: "tar", attrs: new Map() }], { contextkey: "other" });
    return offer.requested.filter((path) => path !== "Dockerfile").toSorted();
  };
  assert.deepEqual(await brought("part1", "COPY dir/a *.go /\n"), ["dir/a", "x.go", "y.go"]);
  assert.deepEqual(await brought("part2", "COPY z.txt /\n"), ["z.txt"]);
  assert.deepEqual(await brought("part3", "FROM scratch AS unused\nCOPY z.txt /\nFROM scratch\nCOPY dir /d/\n"), [
    "dir/a",
    "dir/b",
  ]);
  assert.deepEqual(await brought("part4", "COPY --parents ./**/b /\n"), ["x.go", "y.go", "z.txt"]);
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

test("a build's answer waits until its client has read what happened, as long as it reads", async (t) => {
  const log = StatusLog.begin(join(folder, "read before the answer"));
  for (let line = 0; line < 3; line++)
    log.add({ kind: "log", vertex: `sha256:${"0".repeat(64)}`, stream: 1, data: Buffer.alloc(200_000), time: 0 });
  log.end();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const lots = log.lots(NEVER, { owner: "client", closed });
  const other = log.lots(NEVER, { owner: "other client", closed: Promise.resolve() });
  assert.ok((await lots.next()).done === false && (await other.next()).done === false);
  await log.wasRead("nobody", NEVER);
  let isRead = false;
  const waiting = log.wasRead("client", NEVER).then(() => (isRead = true));
  await new Promise(setImmediate);
  assert.ok(!isRead);
  while ((await lots.next()).done !== true) assert.ok(!isRead);
  await new Promise(setImmediate);
  assert.ok(!isRead, "the last of it is not on its way yet");
  close();
  await waiting;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stuck = log.wasRead("other client", NEVER);
  t.mock.timers.tick(3000);
  await stuck;
  const gone = new AbortController();
  const ended = log.wasRead("other client", gone.signal);
  gone.abort();
  await ended;
  await other.return();
  log.forget();
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
  await assert.rejects(asked({ "context:x": "oci-layout://x" }), /names no image by its digest/);
  await assert.rejects(asked({ "context:x": "/etc" }), /is no build context/);
  const local = JSON.stringify([{ Type: "local", Attrs: { src: "/etc" } }]);
  await assert.rejects(asked({ "cache-imports": local }), /type=local needs a digest/);
  await assert.rejects(solve({ ref: "gw", frontend: "gateway.v0" }), /the frontend "" is not supported/);
});

test("rules about sources are followed as BuildKit follows them, and hold for what a client sends and its graphs", async () => {
  const rule = (action: SourceRule["action"], identifier: string, more: Partial<SourceRule> = {}): SourceRule => {
    return { action, identifier, match: "wildcard", constraints: [], ...more };
  };
  const to = (identifier: string, attrs: Readonly<Record<string, string>> = {}): Pick<SourceRule, "updates"> => ({
    updates: { identifier, attrs: new Map(Object.entries(attrs)) },
  });
  const policy = (rules: readonly SourceRule[], identifier: string, attrs = {}): string => {
    const source = applyPolicies([rules], { identifier, attrs: new Map(Object.entries(attrs)) });
    return [source.identifier, ...[...source.attrs].map((pair) => pair.join("="))].join(" ");
  };
  const alpine = "docker-image://docker.io/library/alpine:3";
  const denied = /^BuildError: source ".*" denied by policy$/;
  assert.throws(() => policy([rule("allow", alpine), rule("deny", "docker-image://*")], alpine), denied);
  assert.equal(policy([rule("deny", "*"), rule("allow", "docker-image://*/alpine:*")], alpine), alpine);
  assert.equal(policy([rule("deny", "docker-image://docker.io/library/a*e", { match: "exact" })], alpine), alpine);
  const moved = rule("convert", "docker-image://docker.io/*", to("docker-image://mirror/${1}"));
  assert.equal(policy([moved], alpine), "docker-image://mirror/library/alpine:3");
  assert.throws(() => policy([moved, rule("deny", "docker-image://mirror/*")], alpine), denied);
  const regex = rule("convert", "^(?P<s>[a-z-]+)://docker.io/(.*):3$", {
    match: "regex",
    ...to("${s}://$2:4$$x${none}"),
  });
  assert.equal(policy([regex], alpine), "docker-image://library/alpine:4$x");
  assert.equal(policy([rule("convert", alpine, to("", { k: "v" }))], alpine), `${alpine} k=v`);
  const onlyPulled = { constraints: [{ key: "mode", value: "^p", condition: "matches" }] } as const;
  assert.throws(() => policy([rule("deny", "*", onlyPulled)], alpine, { mode: "pull" }), denied);
  assert.equal(policy([rule("deny", "*", onlyPulled)], alpine), alpine);
  assert.throws(() => policy([rule("convert", "*", to("${1}x"))], alpine), /without end/);
  assert.throws(() => policy([rule("deny", "**")], alpine), /invalid wildcard/);
  assert.throws(() => policy([rule("deny", "(", { match: "regex" })], alpine), /invalid expression/);
  assert.throws(() => policy([rule("deny", "([a-z0-9:/.-]+)+!", { match: "regex" })], alpine), /takes too long/);

  const sent = (action: number): SolveRequest["sourcePolicy"] => ({
    version: 1,
    rules: [{ action, selector: { identifier: "local://context", match: 0, constraints: [] }, updates: undefined }],
  });
  const session = "policed";
  const offer = offerOf({ Dockerfile: DOCKERFILE, a: "A" });
  await using _session = openSession(client, session, offer);
  const exporters = [{ type: "tar", attrs: new Map<string, string>() }];
  const asked = { ref: session, session, exporters, frontend: "dockerfile.v0", sourcePolicy: sent(1) };
  await assert.rejects(solve(asked), status(CODE.unknown, /"local:\/\/context" denied by policy/));
  const unknown = { ref: "rule", session, sourcePolicy: sent(7) };
  await assert.rejects(solve(unknown), status(CODE.invalidArgument, /unknown action: 7/));
  const callback = { ref: "asks", session, sourcePolicySession: session };
  await assert.rejects(solve(callback), status(CODE.unimplemented, /policy that asks the client/));
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
  await assert.rejects(update({ ref: "kept", pinned: true }), status(CODE.notFound, /no such build kept/));
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

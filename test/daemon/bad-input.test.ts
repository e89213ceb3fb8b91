// What clients do wrong at each point of a build: it ends with an error of the right kind, nothing is left of it, and the
// others go on.

import assert from "node:assert/strict";
import http2 from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { CODE, RpcError } from "../../src/api/grpc/status.ts";
import {
  HealthRequest,
  HealthResponse,
  SolveRequest,
  SolveResponse,
  StatusRequest,
} from "../../src/api/proto/control.ts";
import { writePacket } from "../../src/api/proto/packets.ts";
import type { Offer } from "../support/build-client.ts";
import { buildThrough, connectTo, offerOf, openSession, statusOf } from "../support/build-client.ts";
import { build, client, DOCKERFILE, folder, NEVER, openFiles, status } from "./running-daemon.ts";

const SOLVE = "/moby.buildkit.v1.Control/Solve";
const TAR = [{ type: "tar", attrs: new Map<string, string>() }];
const FILES = { Dockerfile: DOCKERFILE, a: "A" };

async function isWell(): Promise<void> {
  await client.unary("/grpc.health.v1.Health/Check", [HealthRequest, HealthResponse], {}, NEVER);
}

/** Waits until a build is over; one that was never kept is not found. */
async function over(ref: string): Promise<void> {
  await statusOf(client, ref).catch((error: unknown) => {
    assert.ok(error instanceof RpcError && error.status.code === CODE.notFound, String(error));
  });
}

/** Something that never happens, and when it is waited for. */
function never(): { readonly reached: Promise<void>; readonly wait: () => Promise<never> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wait = async (): Promise<never> => {
    resolve();
    return await new Promise(() => undefined);
  };
  return { reached: promise, wait };
}

test("a client that vanishes leaves nothing, at whatever point", async () => {
  await build("before", offerOf(FILES), TAR);
  const opened = await openFiles();
  const types = [SolveRequest, SolveResponse] as const;
  const dockerfile = never();
  const output = never();
  const phases: Readonly<Record<string, { readonly offer?: Offer; readonly reached?: Promise<void> }>> = {
    "before its session": {},
    "before it says what to build": { offer: offerOf(FILES) },
    "while its Dockerfile comes": {
      offer: offerOf(FILES, { beforeFile: dockerfile.wait }),
      reached: dockerfile.reached,
    },
    "while its output goes": { offer: offerOf(FILES, { beforeOutput: output.wait }), reached: output.reached },
  };
  for (const [phase, { offer, reached }] of Object.entries(phases)) {
    const gone = await connectTo(join(folder, "one.sock"));
    if (offer !== undefined) openSession(gone, phase, offer);
    const request = { ref: phase, session: phase, exporters: TAR };
    const built = reached === undefined ? gone.unary(SOLVE, types, request, NEVER) : buildThrough(gone, request, {});
    built.catch(() => undefined);
    await (reached ?? new Promise((resolve) => setTimeout(resolve, 50)));
    gone[Symbol.dispose]();
    await assert.rejects(built);
    await over(phase);
  }
  // A log each, which stays readable: of builds long, of what was none a little while.
  assert.ok((await openFiles()) <= opened + 4);
  await build("after", offerOf(FILES), TAR);
});

test("a file that is not what was told of it ends the build, and what came of it is not taken the next time", async () => {
  const changes: Readonly<Record<string, Uint8Array>> = {
    "longer file": Buffer.from("more"),
    "shorter file": Buffer.alloc(0),
  };
  for (const [ref, extra] of Object.entries(changes)) {
    const offer = offerOf(
      { Dockerfile: DOCKERFILE, a: ref },
      {
        beforeFile: async (path, call) => {
          if (path === "a") await call.send(writePacket({ kind: "data", id: 1, data: extra }));
        },
      },
    );
    await assert.rejects(
      build(ref, offer, TAR),
      status(CODE.unknown, /"a" changed while it was sent|cannot be understood/),
    );
    const good = offerOf({ Dockerfile: DOCKERFILE, a: ref });
    await build(`${ref} again`, good, TAR);
    assert.ok(good.requested.includes("a"));
  }
});

test("whoever reads of a build and stops holds nobody up", async () => {
  await using call = client.call("/moby.buildkit.v1.Control/Status", {}, NEVER);
  await call.send(StatusRequest.encode({ ref: "slowly read" }));
  call.end();
  await build("slowly read", offerOf({ Dockerfile: `FROM scratch\n${"COPY a /\n".repeat(20)}`, a: "slow" }), TAR);
  await build("meanwhile", offerOf(FILES), TAR);
});

test("headers of many megabytes, or tens of thousands of them, end their call or connection", async () => {
  const many = Object.fromEntries(Array.from({ length: 25_000 }, (_, at) => [`x-${at}`, "v"]));
  for (const headers of [{ x: "a".repeat(20 << 20) }, many]) {
    const session = http2.connect("http://localhost", {
      createConnection: () => connect(join(folder, "one.sock")),
      maxSendHeaderBlockLength: 64 << 20,
    });
    session.on("error", () => undefined);
    const stream = session.request({
      ":method": "POST",
      ":path": SOLVE,
      "content-type": "application/grpc",
      ...headers,
    });
    let answer: unknown;
    stream.on("error", () => undefined);
    const closed = new Promise<void>((resolve) => void stream.on("close", resolve));
    stream.on("response", (found) => void (answer = found["grpc-status"]));
    stream.end();
    stream.resume();
    await closed;
    assert.equal(answer, undefined);
    session.destroy();
    await isWell();
  }
});

/** A frame of HTTP/2 (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

test("ten thousand calls at once, and headers that never end, end their connection", { timeout: 60_000 }, async () => {
  // POST, http, /a, application/grpc (RFC 7541, literals without indexing).
  const block = Buffer.from(`\x83\x86\x04\x02/a\x0f\x10\x10application/grpc`, "latin1");
  const [headers, settings, continuation, endHeaders] = [1, 4, 9, 4];
  const floods = [
    Array.from({ length: 10_000 }, (_, at) => frame(headers, endHeaders, 1 + 2 * at, block)),
    [frame(headers, 0, 1, block), ...Array.from({ length: 2000 }, () => frame(continuation, 0, 1, Buffer.alloc(0)))],
  ];
  for (const flood of floods) {
    const socket = connect(join(folder, "one.sock"));
    socket.on("error", () => undefined);
    socket.resume();
    const closed = new Promise((resolve) => void socket.on("close", resolve));
    socket.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(settings, 0, 0, Buffer.alloc(0))]),
    );
    socket.write(Buffer.concat(flood));
    await closed;
    await isWell();
  }
});

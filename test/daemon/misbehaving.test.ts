// Clients that vanish, that send what is none, that do not stop: nothing of a build is left when it is over, and the others
// go on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import http2 from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { serve } from "../../src/daemon/daemon.ts";
import { CODE } from "../../src/api/grpc/status.ts";
import { HealthRequest, HealthResponse } from "../../src/api/proto/control.ts";
import { Sessions } from "../../src/daemon/session/sessions.ts";
import { buildThrough, connectTo, offerOf, openSession, statusOf } from "../support/build-client.ts";
import {
  build,
  client,
  connected,
  DOCKERFILE,
  folder,
  NEVER,
  openFiles,
  options,
  status,
  told,
} from "./running-daemon.ts";

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

for (const isPatient of [true, false]) {
  const what = isPatient ? "lets builds end, and their clients hear of it" : "cancels what does not end";
  test(`told to stop it takes no new builds, ${what}, and removes its socket`, async () => {
    const [end, reached, released] = [
      new AbortController(),
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
    ];
    const running = serve({ ...options("two.sock"), graceMs: isPatient ? 60_000 : 0 }, end.signal);
    const other = await connected(join(folder, "two.sock"));
    const beforeFile = async (): Promise<void> => {
      reached.resolve();
      await released.promise;
    };
    const session = openSession(other, "slow", offerOf({ Dockerfile: DOCKERFILE }, { beforeFile }));
    const built = buildThrough(other, { ref: `slow ${isPatient}`, session: "slow" }, {});
    const ended = isPatient ? built : assert.rejects(built, status(CODE.cancelled, /the daemon was stopped/));
    await reached.promise;
    end.abort();
    if (isPatient) {
      while ((await stat(join(folder, "two.sock")).catch(() => undefined)) !== undefined)
        await new Promise(setImmediate);
      released.resolve();
    }
    await ended;
    released.resolve();
    await session[Symbol.asyncDispose]();
    await running;
    await assert.rejects(stat(join(folder, "two.sock")), { code: "ENOENT" });
    other[Symbol.dispose]();
  });
}

// Builds that were: they are there when the daemon was started again, and whoever listens hears of what becomes of them.

import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { serve } from "../../src/daemon/daemon.ts";
import type { GrpcClient } from "../../src/api/grpc/client.ts";
import { Empty } from "../../src/api/proto/control.ts";
import { HistoryEvent, HistoryRequest, UpdateHistoryRequest } from "../../src/api/proto/disk.ts";
import type { Of } from "../../src/api/proto/message.ts";
import { buildThrough, offerOf, openSession, statusOf } from "../support/build-client.ts";
import { build, client, connected, DOCKERFILE, folder, history, NEVER, options } from "./running-daemon.ts";

const TAR = [{ type: "tar", attrs: new Map<string, string>() }];

async function update(of: GrpcClient, request: Partial<Of<typeof UpdateHistoryRequest>>): Promise<void> {
  await of.unary("/moby.buildkit.v1.Control/UpdateBuildHistory", [UpdateHistoryRequest, Empty], request, NEVER);
}

/** Works with a daemon of its own store, which is over afterwards. */
async function withDaemon(work: (of: GrpcClient) => Promise<void>): Promise<void> {
  const end = new AbortController();
  const plain = options("again.sock");
  const settings = { ...plain.settings, root: join(folder, "again") };
  const running = serve({ ...plain, settings }, end.signal);
  try {
    const of = await connected(join(folder, "again.sock"));
    await work(of);
    of[Symbol.dispose]();
  } finally {
    end.abort();
    await running;
  }
}

test("a build and its log are there when the daemon was started again, without values of build arguments", async () => {
  await withDaemon(async (of) => {
    await using _session = openSession(of, "s", offerOf({ Dockerfile: `${DOCKERFILE}LABEL x=y\n`, a: "A" }));
    const attrs = { "build-arg:TOKEN": "s3cret", "label:l": "v" };
    await buildThrough(of, { ref: "past", session: "s", exporters: TAR }, attrs);
    await buildThrough(of, { ref: "removed", session: "s", exporters: TAR }, {});
    await update(of, { ref: "removed", isDeleted: true });
    await update(of, { ref: "past", pinned: true });
  });
  const kept = join(folder, "again/tsbuild/history");
  assert.equal((await readdir(kept)).length, 2);
  await writeFile(join(kept, "damaged.json"), "{");
  await withDaemon(async (of) => {
    assert.deepEqual(await history("removed", of), []);
    assert.deepEqual(await history("past", of), [{ ref: "past", error: undefined, isWhole: true }]);
    const names = (await statusOf(of, "past")).flatMap(({ vertexes }) => vertexes.map(({ name }) => name));
    assert.ok(names.includes("[1/1] COPY . /"), names.join(", "));
    await using call = of.call("/moby.buildkit.v1.Control/ListenBuildHistory", {}, NEVER);
    await call.send(HistoryRequest.encode({ earlyExit: true }));
    call.end();
    for await (const message of call.messages) {
      const { record } = HistoryEvent.decode(message);
      assert.deepEqual([record?.pinned, [...(record?.frontendAttrs ?? [])]], [true, [["label:l", "v"]]]);
    }
  });
  assert.equal((await readdir(kept)).length, 2);
});

test("whoever listens hears of a build that ends, is pinned and is forgotten; who asks for one build hears of that alone", async () => {
  await build("before", offerOf({ Dockerfile: DOCKERFILE, a: "A" }), TAR);
  await using call = client.call("/moby.buildkit.v1.Control/ListenBuildHistory", {}, NEVER);
  await call.send(HistoryRequest.encode({ ref: "heard of" }));
  call.end();
  const messages = call.messages[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value } = await messages.next();
    const { type, record } = HistoryEvent.decode(value ?? new Uint8Array());
    return [type, record?.ref, record?.pinned];
  };
  await build("heard of", offerOf({ Dockerfile: DOCKERFILE, a: "A" }), TAR);
  let first = await next();
  // It may have been heard of before it ended.
  if (JSON.stringify(first) === '[0,"heard of",false]') first = await next();
  assert.deepEqual(first, [1, "heard of", false]);
  await update(client, { ref: "heard of", pinned: true });
  assert.deepEqual(await next(), [1, "heard of", true]);
  await update(client, { ref: "heard of", isDeleted: true });
  assert.deepEqual(await next(), [2, "heard of", false]);
});

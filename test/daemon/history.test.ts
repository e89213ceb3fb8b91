// Builds that were: they are there when the daemon was started again, and whoever listens hears of what becomes of them.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { serve } from "../../src/daemon/daemon.ts";
import type { GrpcClient } from "../../src/api/grpc/client.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { CODE, RpcError } from "../../src/api/grpc/status.ts";
import { StatusMessage } from "../../src/api/proto/bridge.ts";
import {
  ContentInfoRequest,
  ContentInfoResponse,
  ContentListRequest,
  ContentListResponse,
  ContentReadRequest,
  ContentReadResponse,
} from "../../src/api/proto/content.ts";
import { Empty } from "../../src/api/proto/control.ts";
import type { HistoryRecord } from "../../src/api/proto/disk.ts";
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
  const names = await readdir(kept);
  assert.deepEqual(new Set(names.map((name) => name.split(".")[0])).size, 1);
  for (const name of names) assert.ok(!(await readFile(join(kept, name), "utf8")).includes("s3cret"), name);
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
  assert.deepEqual((await readdir(kept)).toSorted(), names.toSorted());
});

test("what is kept beside a build's record can be read as content, from anywhere in it, and not be changed", async () => {
  await build("beside", offerOf({ Dockerfile: DOCKERFILE, a: "A" }), TAR);
  const { logs, trace, result } = await recordOf("beside");
  const [provenance] = result?.attestations ?? [];
  assert.equal(provenance?.annotations.get("in-toto.io/predicate-type"), "https://slsa.dev/provenance/v0.2");
  const predicate = JSON.parse((await contentOf(provenance?.digest ?? "")).toString("utf8"));
  assert.equal(predicate.invocation.parameters.frontend, "dockerfile.v0");
  const spans = (await contentOf(trace?.digest ?? "")).toString("utf8").trim().split("\n");
  assert.ok(spans.some((line) => JSON.parse(line).Name === "[1/1] COPY . /"));
  const log = await contentOf(logs?.digest ?? "");
  assert.deepEqual([digestOf(log), log.length], [logs?.digest, logs?.size]);
  assert.deepEqual(await contentOf(logs?.digest ?? "", 7, 20), log.subarray(7, 27));
  const info = await client.unary(
    `${CONTENT}/Info`,
    [ContentInfoRequest, ContentInfoResponse],
    { digest: logs?.digest ?? "" },
    NEVER,
  );
  assert.equal(info.info?.size, log.length);
  await using listing = client.call(`${CONTENT}/List`, {}, NEVER);
  await listing.send(ContentListRequest.encode({}));
  listing.end();
  const listed: string[] = [];
  for await (const message of listing.messages)
    listed.push(...ContentListResponse.decode(message).info.map(({ digest }) => digest));
  assert.ok(listed.includes(trace?.digest ?? ""));
  await assert.rejects(contentOf(digestOf("nothing has it")), withCode(CODE.notFound));
  await assert.rejects(contentOf("../../x"), withCode(CODE.invalidArgument));
  await assert.rejects(contentOf(logs?.digest ?? "", log.length + 1), withCode(CODE.outOfRange));
  await assert.rejects(client.unary(`${CONTENT}/Write`, [Empty, Empty], {}, NEVER), withCode(CODE.unimplemented));

  const failing = offerOf({ Dockerfile: "FROM scratch\nCOPY missing /\n" });
  await assert.rejects(build("failing", failing, TAR));
  const { externalError, error } = await recordOf("failing");
  const { message, details } = StatusMessage.decode(await contentOf(externalError?.digest ?? ""));
  assert.equal(message, error?.message);
  assert.match(Buffer.from(details[0]?.value ?? "").toString("utf8"), /"ranges":\[\{"start":\{"line":2/);
});

function withCode(code: number): (error: unknown) => boolean {
  return (error) => error instanceof RpcError && error.status.code === code;
}

const CONTENT = "/containerd.services.content.v1.Content";

async function contentOf(digest: string, offset = 0, size = 0): Promise<Buffer> {
  await using call = client.call(`${CONTENT}/Read`, {}, NEVER);
  await call.send(ContentReadRequest.encode({ digest, offset, size }));
  call.end();
  const parts: Uint8Array[] = [];
  for await (const message of call.messages) parts.push(ContentReadResponse.decode(message).data);
  return Buffer.concat(parts);
}

async function recordOf(ref: string): Promise<Of<typeof HistoryRecord>> {
  await using call = client.call("/moby.buildkit.v1.Control/ListenBuildHistory", {}, NEVER);
  await call.send(HistoryRequest.encode({ ref, earlyExit: true }));
  call.end();
  for await (const message of call.messages) {
    const { record } = HistoryEvent.decode(message);
    if (record !== undefined) return record;
  }
  throw new Error(`no record of ${ref}`);
}

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

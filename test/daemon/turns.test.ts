// Turns of steps among clients: who waits, who is next, and what a client that goes away leaves; and what happens when
// nobody wants one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo, NetConnectOpts } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { giveBackMemory } from "../../builder/core/bytes/passed-bytes.ts";
import { Rest, REST_AFTER_MS } from "../../src/daemon/rest.ts";
import { clientOf } from "../../src/daemon/tenants.ts";
import { FairTurns } from "../../src/daemon/turns.ts";
import type { Share } from "../../src/daemon/turns.ts";

const NEVER = new AbortController().signal;

/** Steps that end when they are told to. */
class Steps {
  readonly order: string[] = [];
  readonly #ends = new Map<string, () => void>();
  readonly #turns: FairTurns;

  constructor(turns: FairTurns) {
    this.#turns = turns;
  }

  start(name: string, share: Share, signal = NEVER): Promise<void> {
    const ended = Promise.withResolvers<void>();
    this.#ends.set(name, ended.resolve);
    return this.#turns.of(share).use(signal, async () => {
      this.order.push(name);
      await ended.promise;
    });
  }

  /** Waits until those that may have begun. */
  async begun(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await this.begun();
  }
}

test("a client with few steps comes before one that has many under way or waiting", async () => {
  const steps = new Steps(new FairTurns(2));
  const [a, b] = [
    { client: "a", build: "1", tenant: "" },
    { client: "b", build: "2", tenant: "" },
  ];
  const all = ["a1", "a2", "a3", "a4"].map((name) => steps.start(name, a));
  all.push(steps.start("b1", b), steps.start("b2", b));
  await steps.begun();
  assert.deepEqual(steps.order, ["a1", "a2"]);
  await steps.end("a1");
  assert.deepEqual(steps.order.slice(2), ["b1"]);
  // One each: whoever came first.
  await steps.end("a2");
  assert.deepEqual(steps.order.slice(3), ["a3"]);
  await steps.end("b1");
  assert.deepEqual(steps.order.slice(4), ["b2"]);
  for (const name of ["a3", "b2", "a4"]) await steps.end(name);
  await Promise.all(all);
});

test("a client with many builds has one share, and its builds have equal parts of it", async () => {
  const steps = new Steps(new FairTurns(2));
  const names = ["a1", "a1 more", "a2", "a3", "b1"];
  const all = names.map((name) => steps.start(name, { client: name.slice(0, 1), build: name.slice(0, 2), tenant: "" }));
  await steps.begun();
  assert.deepEqual(steps.order, ["a1", "a1 more"]);
  // b has none.
  await steps.end("a1 more");
  assert.deepEqual(steps.order.slice(2), ["b1"]);
  // Of a's builds the first has one.
  await steps.end("b1");
  assert.deepEqual(steps.order.slice(3), ["a2"]);
  for (const name of ["a1", "a2", "a3"]) await steps.end(name);
  await Promise.all(all);
});

test("all connections of a user of this machine are one client's, and those from an address", async () => {
  const seen: string[] = [];
  const server = createServer((socket) => {
    seen.push(clientOf(socket));
    socket.end();
  });
  const ask = async (place: NetConnectOpts): Promise<void> => {
    const socket = connect(place);
    socket.resume();
    await once(socket, "close");
  };
  const folder = await mkdtemp(join(tmpdir(), "tsbuild-turns-"));
  try {
    const path = join(folder, "s");
    await once(server.listen(path), "listening");
    await Promise.all([ask({ path }), ask({ path })]);
    server.close();
    await once(server, "close");
    await once(server.listen(0, "127.0.0.1"), "listening");
    await ask({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
    const user = `user ${process.getuid?.()}`;
    assert.deepEqual(seen, [user, user, "address 127.0.0.1"]);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("a tenant has no more turns than it may, and no fewer for having many clients", async () => {
  const turns = new FairTurns(3);
  const steps = new Steps(turns);
  const all = ["x1", "x2", "x3"].map((name) => steps.start(name, { client: name, build: name, tenant: "x", most: 2 }));
  await steps.begun();
  assert.deepEqual(steps.order, ["x1", "x2"]);
  all.push(
    steps.start("y1", { client: "y", build: "y", tenant: "y" }),
    steps.start("y2", { client: "y", build: "y", tenant: "y" }),
  );
  await steps.begun();
  assert.deepEqual(steps.order.slice(2), ["y1"]);
  await steps.end("x1");
  // x has one, y has one: x3 waited longer.
  assert.deepEqual(steps.order.slice(3), ["x3"]);
  assert.deepEqual([turns.running, turns.waiting], [3, 1]);
  for (const name of ["x2", "x3", "y1", "y2"]) await steps.end(name);
  await Promise.all(all);
  assert.deepEqual([turns.running, turns.waiting], [0, 0]);
});

test("a step that fails or is cancelled gives its turn, or its place, to the next", async () => {
  const turns = new FairTurns(1);
  const steps = new Steps(turns);
  const share = { client: "a", build: "1", tenant: "" };
  const failing = turns.of(share).use(NEVER, () => Promise.reject(new Error("it fails")));
  const cancel = new AbortController();
  const waiting = steps.start("waits", share, cancel.signal);
  const last = steps.start("last", share);
  cancel.abort(new Error("enough"));
  await assert.rejects(failing, /it fails/);
  await assert.rejects(waiting, /enough/);
  await steps.end("last");
  await last;
  assert.deepEqual(steps.order, ["last"]);
  assert.equal(turns.running, 0);
});

test("a daemon gives back memory a while after the last of its clients, and never while one builds", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const [first = 0, last = 0] = REST_AFTER_MS;
  let [isIdle, given] = [true, 0];
  using rest = new Rest(
    () => isIdle,
    () => given++,
  );
  rest.soon();
  t.mock.timers.tick(first - 1);
  rest.soon(); // another client
  t.mock.timers.tick(first - 1);
  assert.equal(given, 0);
  t.mock.timers.tick(1);
  assert.equal(given, 1);
  isIdle = false;
  t.mock.timers.tick(last);
  assert.equal(given, 1);
  isIdle = true;
  rest.soon();
  t.mock.timers.tick(last);
  assert.equal(given, 3);
  rest.soon();
  rest[Symbol.dispose]();
  t.mock.timers.tick(last);
  assert.equal(given, 3);
});

test("memory that is of no use any more is given back", () => {
  let garbage: unknown[] | undefined = Array.from({ length: 200_000 }, (_, number) => ({ number }));
  assert.equal(garbage.length, 200_000);
  const before = process.memoryUsage().heapUsed;
  garbage = undefined;
  giveBackMemory();
  const freed = before - process.memoryUsage().heapUsed;
  assert.ok(freed > 4 << 20, `${freed} bytes were given back`);
});

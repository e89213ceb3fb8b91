// The directories of cache mounts: who is given which, and who waits for whom.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FREE_SPACE } from "../../builder/core/space.ts";
import { flock } from "../../builder/core/system/syscall.ts";
import { type CacheMountRequest, CacheMounts, mountName } from "../../builder/ops/cache-mounts.ts";
import type { MountsElsewhere } from "../../builder/ops/mount-directories.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-mounts-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const signal = new AbortController().signal;

let stores = 0;
function open(held: string[] = []): CacheMounts {
  const store = join(folder, String(stores++));
  const temporaryDirectory = join(store, "work");
  mkdirSync(temporaryDirectory, { recursive: true });
  return new CacheMounts({
    space: { ...FREE_SPACE, hold: (...items) => void held.push(...items) },
    directory: join(store, "mounts"),
    temporaryDirectory,
    privileged: process.getuid?.() === 0,
    fill: (_, directory) => Promise.resolve(writeFileSync(join(directory, "seed"), "")),
  });
}

function request(
  id: string,
  sharing: CacheMountRequest["sharing"],
  more: Partial<CacheMountRequest> = {},
): CacheMountRequest {
  return { id, sharing, readonly: false, mode: 0o755, uid: 0, gid: 0, from: undefined, ...more };
}

async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise, sleep(150, "waiting")])) === "waiting";
}

suite("cache mounts", () => {
  test("shared ones are one directory; it is there after the step, with its mode", async () => {
    const mounts = open();
    const one = await mounts.acquire([request("a", "shared", { mode: 0o1770 })], signal);
    const two = await mounts.acquire([request("a", "shared", { mode: 0o1770 })], signal);
    assert.deepEqual(one.paths, two.paths);
    assert.equal(statSync(one.paths[0] ?? "").mode & 0o7777, 0o1770);
    for (const lease of [one, two]) lease[Symbol.dispose]();
    using again = await mounts.acquire([request("a", "shared", { mode: 0o1770 })], signal);
    assert.deepEqual(again.paths, one.paths);
    using other = await mounts.acquire([request("b", "shared")], signal);
    assert.notDeepEqual(other.paths, one.paths);
  });

  test("a private one is its step's alone, and the next step's when that is done", async () => {
    const mounts = open();
    const one = await mounts.acquire([request("a", "private")], signal);
    using two = await mounts.acquire([request("a", "private")], signal);
    using shared = await mounts.acquire([request("a", "shared")], signal);
    assert.equal(new Set([...one.paths, ...two.paths, ...shared.paths]).size, 3);
    one[Symbol.dispose]();
    using next = await mounts.acquire([request("a", "private")], signal);
    assert.deepEqual(next.paths, one.paths);
  });

  test("a locked one waits for every other user, and gives up when the build ends", async () => {
    const mounts = open();
    for (const sharing of ["locked", "private", "shared"] as const) {
      const holder = await mounts.acquire([request("a", sharing)], signal);
      const waiting = mounts.acquire([request("a", "locked")], signal);
      assert.equal(await isWaiting(waiting), true, sharing);
      holder[Symbol.dispose]();
      const lease = await waiting;
      assert.deepEqual(lease.paths, holder.paths);
      const stop = new AbortController();
      const never = mounts.acquire([request("a", "locked")], stop.signal);
      stop.abort(new Error("enough"));
      await assert.rejects(never);
      lease[Symbol.dispose]();
    }
  });

  test("steps that name the same locked ones in other orders, or one twice, do not block each other", async () => {
    const mounts = open();
    const use = async (ids: readonly string[]): Promise<void> => {
      using lease = await mounts.acquire(
        ids.map((id) => request(id, "locked")),
        signal,
      );
      assert.equal(new Set(lease.paths).size, new Set(ids).size);
      await sleep(1);
    };
    const orders = [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "b"]]; // prettier-ignore
    await Promise.all(Array.from({ length: 12 }, (_, number) => use(orders[number % 3] ?? [])));
  });

  test("what a step mounts twice is one directory, under the stricter rule", async () => {
    const mounts = open();
    using lease = await mounts.acquire([request("a", "shared"), request("a", "locked")], signal);
    assert.equal(lease.paths[0], lease.paths[1]);
    assert.equal(
      await isWaiting(mounts.acquire([request("a", "locked")], AbortSignal.timeout(300)).catch(() => {})),
      true,
    );
  });

  test("one that another process holds is waited for, also when that one is killed", async () => {
    const mounts = open();
    const first = await mounts.acquire([request("a", "locked")], signal);
    first[Symbol.dispose]();
    const path = first.paths[0] ?? "";
    const other = spawn("flock", ["--no-fork", "--exclusive", path, "sleep", "60"], { stdio: "ignore" });
    while (canLock(path)) await sleep(5);
    const waiting = mounts.acquire([request("a", "locked")], signal);
    assert.equal(await isWaiting(waiting), true);
    other.kill("SIGKILL");
    await once(other, "exit");
    (await waiting)[Symbol.dispose]();
  });

  test("one that is taken away while it is waited for is made anew, as it was begun", async () => {
    const mounts = open();
    const seeded = request("a", "locked", { from: { ref: { layers: [] }, selector: "" } });
    const holder = await mounts.acquire([seeded], signal);
    const path = holder.paths[0] ?? "";
    writeFileSync(join(path, "used"), "");
    const waiting = mounts.acquire([seeded], signal);
    assert.equal(await isWaiting(waiting), true);
    rmSync(path, { recursive: true });
    holder[Symbol.dispose]();
    using lease = await waiting;
    assert.deepEqual(lease.paths, [path]);
    assert.deepEqual([statSync(join(path, "seed")).size, statSync(join(path, "used"), { throwIfNoEntry: false })], [0, undefined]); // prettier-ignore
  });
});

suite("a cache mount that is read as a whole", () => {
  /** Gives its directory, as a step does. */
  async function used(mounts: CacheMounts, text: string): Promise<string> {
    using lease = await mounts.acquire([request("a", "shared")], signal);
    writeFileSync(join(lease.paths[0] ?? "", "file"), text);
    return lease.paths[0] ?? "";
  }
  const name = mountName(request("a", "shared"));

  test("is held against garbage collection before it is looked for", async () => {
    const held: string[] = [];
    assert.equal(await open(held).read(name, signal), undefined, "there is none");
    assert.deepEqual(held, [`mount/${name}`]);
  });

  test("is waited for where a step has it alone, and such a step waits for it", async () => {
    const mounts = open();
    const step = await mounts.acquire([request("a", "locked")], signal);
    const waiting = mounts.read(name, signal);
    assert.equal(await isWaiting(waiting), true);
    step[Symbol.dispose]();
    const read = await waiting;
    const next = mounts.acquire([request("a", "locked")], signal);
    assert.equal(await isWaiting(next), true);
    using shared = await mounts.acquire([request("a", "shared")], signal);
    assert.equal(shared.paths[0], read?.path, "steps that share it go on");
    read?.[Symbol.dispose]();
    shared[Symbol.dispose]();
    (await next)[Symbol.dispose]();
  });

  test("is known by what was read only if no step had it since", async () => {
    const mounts = open();
    await used(mounts, "1");
    const versionOf = async (): Promise<string | undefined> => {
      using read = await mounts.read(name, signal);
      return read?.version;
    };
    const readAs = async (version: string, meanwhile: () => Promise<unknown>): Promise<void> => {
      using read = await mounts.read(name, signal);
      await meanwhile();
      read?.settle(version);
    };
    assert.equal(await versionOf(), undefined);
    await readAs("v1", () => used(mounts, "2"));
    assert.equal(await versionOf(), undefined, "a step wrote meanwhile");
    const running = await mounts.acquire([request("a", "shared")], signal);
    await readAs("v2", async () => {});
    assert.equal(await versionOf(), undefined, "a step that began before has it still");
    await readAs("v3", async () => running[Symbol.dispose]());
    assert.equal(await versionOf(), undefined, "a step that began before had it then");
    await readAs("v4", async () => {});
    assert.equal(await versionOf(), "v4");
    (await mounts.acquire([request("a", "shared", { readonly: true })], signal))[Symbol.dispose]();
    assert.equal(await versionOf(), "v4", "a step that cannot write changes nothing");
    await used(mounts, "3");
    assert.equal(await versionOf(), undefined);
  });
});

suite("a cache mount of which there is one elsewhere", () => {
  /** A cache elsewhere with one mount, whose file has this text. */
  function elsewhere(version: string, works = true): MountsElsewhere & { bases: (string | undefined)[] } {
    const bases: (string | undefined)[] = [];
    return {
      bases,
      find: async () => ({
        version,
        fill: async (directory, base) => {
          bases.push(base);
          writeFileSync(join(directory, "file"), version);
          return works;
        },
      }),
    };
  }
  /** What a step finds; it writes `text`. */
  async function step(mounts: CacheMounts, text?: string): Promise<string | undefined> {
    using lease = await mounts.acquire([request("a", "shared", { readonly: text === undefined })], signal);
    const file = join(lease.paths[0] ?? "", "file");
    const found = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    if (text !== undefined) writeFileSync(file, text);
    return found;
  }

  test("begins with that; a newer one comes as long as no step has written, and never afterwards", async () => {
    const mounts = open();
    assert.equal(await step(mounts.with(elsewhere("v1"))), "v1");
    const later = elsewhere("v2");
    assert.equal(await step(mounts.with(later)), "v2");
    assert.deepEqual(later.bases.map((base) => base !== undefined), [true]); // prettier-ignore
    assert.equal(await step(mounts.with(elsewhere("v3", false))), "v2", "one that cannot be had changes nothing");
    const same = elsewhere("v2");
    assert.equal(await step(mounts.with(same), "mine"), "v2");
    assert.deepEqual(same.bases, [], "what is here is not brought");
    assert.equal(await step(mounts.with(elsewhere("v4"))), "mine");
  });

  test("begins as the step says where that one cannot be had; steps at once bring it once", async () => {
    assert.equal(await step(open().with(elsewhere("v1", false))), undefined);
    const source = elsewhere("v1");
    const mounts = open().with(source);
    assert.deepEqual(await Promise.all([step(mounts), step(mounts), step(mounts)]), ["v1", "v1", "v1"]);
    assert.equal(source.bases.length, 1);
  });

  test("is not replaced while a step uses it", async () => {
    const mounts = open();
    await step(mounts.with(elsewhere("v1")));
    using _running = await mounts.acquire([request("a", "shared", { readonly: true })], signal);
    assert.equal(await step(mounts.with(elsewhere("v2"))), "v1");
  });
});

function canLock(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    return flock(fd, "exclusive", { wait: false });
  } finally {
    closeSync(fd);
  }
}

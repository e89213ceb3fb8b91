// Pulls and pushes that are interrupted anywhere: after one more attempt the image is whole and valid, and no blob that
// was complete went over the network again. Eight of each; INTERRUPTIONS=100 makes a hundred (`make soak` does).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { type Digest, hexOf } from "../../builder/core/digest.ts";
import { openStore } from "../../builder/store/open.ts";
import { type Exchange, type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { assertSpread, type Interruption, makePlan, randomNumbers, stepOf } from "./interrupt-plan.ts";
import { noRegistry, type RunningRegistry, startRegistry } from "./registry-server.ts";
import { optionsFor, pull, push, Workbench } from "./registry-workbench.ts";
import { makeImage, type SampleImage } from "./sample-image.ts";

const COUNT = Number(process.env["INTERRUPTIONS"] ?? "8");
const SEED = 5;
const CHILD = join(import.meta.dirname, "transfer-child.ts");

type Store = Awaited<ReturnType<typeof openStore>>;

/** One direction: how to do it, here or in a process that may be killed, and what is whole on the receiving side. */
interface Transfer {
  readonly what: "pull" | "push";
  readonly store: Store;
  readonly name: string;
  run(): Promise<unknown>;
  /** Blobs that are whole where they go. */
  complete(): Promise<ReadonlySet<Digest>>;
}

suite("interrupted", { skip: noRegistry }, () => {
  const workbench = new Workbench();
  let registry: RunningRegistry;
  let proxy: FaultProxy;
  let origin: Store;
  let image: SampleImage;

  before(async () => {
    registry = await startRegistry();
    proxy = await startFaultProxy(registry.host);
    origin = await workbench.newStore();
    image = await makeImage(origin, [2_600_000, 1_200_000, 200_000, 40_000]);
    await push(origin, image, `${registry.host}/origin:1`, optionsFor());
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    workbench[Symbol.dispose]();
  });

  test(`pulls (${COUNT}) end whole after another attempt, without a complete blob twice`, async (t) => {
    const transfer = async (): Promise<Transfer> => {
      const store = await workbench.newStore();
      const name = `${proxy.host}/origin:1`;
      const has = ({ digest, size }: Descriptor): Promise<boolean> =>
        store.sizeOf(digest).then((found) => found === size);
      return { what: "pull", store, name, run: () => pull(store, name, optionsFor()), complete: () => those(has) };
    };
    const plan = await planFor(await transfer());
    const figures = { complete: 0, resumed: 0, bytes: 0 };
    for (const it of plan) {
      const pulling = await transfer();
      const before = await interrupt(it, pulling);
      const partial = partialSizes(pulling.store);
      const again = await finish(it, pulling, before);
      figures.complete += before.size;
      for (const { digest, size } of image.blobs) {
        const ranges = again.filter((exchange) => isTransferOf(exchange, digest)).map(({ requestHeaders }) => requestHeaders.range); // prettier-ignore
        const from = partial.get(digest) ?? 0;
        if (from === 0 || it.how === "cut") continue;
        // What came before is not asked for again.
        assert.deepEqual(ranges, from === size ? [] : [`bytes=${from}-`], digest);
        figures.resumed++;
      }
      assert.equal(partialSizes(pulling.store).size, 0);
      // As any later run does.
      await openStore(pulling.store.layoutPath);
      assert.deepEqual(readdirSync(join(pulling.store.layoutPath, "tsbuild/tmp")), []);
      rmSync(pulling.store.layoutPath, { recursive: true });
    }
    t.diagnostic(`${plan.length} interruptions; ${figures.complete} blobs were complete and came once, ${figures.resumed} were taken up in the middle`); // prettier-ignore
  });

  test(`pushes (${COUNT}) end whole after another attempt, without a complete blob twice`, async (t) => {
    let number = 0;
    const transfer = async (): Promise<Transfer> => {
      // Otherwise everything would be mounted from the repository before.
      rmSync(join(origin.layoutPath, "tsbuild/notes"), { recursive: true, force: true });
      const repository = `pushed-${number++}`;
      const name = `${proxy.host}/${repository}:1`;
      const has = async ({ digest }: Descriptor): Promise<boolean> =>
        (await fetch(`http://${registry.host}/v2/${repository}/blobs/${digest}`, { method: "HEAD" })).status === 200;
      return { what: "push", store: origin, name, run: () => push(origin, image, name, optionsFor()), complete: () => those(has) }; // prettier-ignore
    };
    const plan = await planFor(await transfer());
    let complete = 0;
    for (const it of plan) {
      const pushing = await transfer();
      const before = await interrupt(it, pushing);
      complete += before.size;
      await finish(it, pushing, before);
      const back = await workbench.newStore();
      const pulled = await pull(back, pushing.name.replace(proxy.host, registry.host), optionsFor());
      assert.equal(pulled.descriptor.digest, image.manifest.digest);
      rmSync(back.layoutPath, { recursive: true });
    }
    t.diagnostic(`${plan.length} interruptions; ${complete} blobs were complete and went once`);
  });

  async function those(has: (blob: Descriptor) => Promise<boolean>): Promise<ReadonlySet<Digest>> {
    const found = new Set<Digest>();
    for (const blob of image.blobs) if (await has(blob)) found.add(blob.digest);
    return found;
  }

  /** An undisturbed run says which steps there are. */
  async function planFor(transfer: Transfer): Promise<Interruption[]> {
    [proxy.exchanges.length, proxy.decide] = [0, () => undefined];
    await transfer.run();
    const steps = [...new Set(proxy.exchanges.map((exchange) => stepOf(exchange, image.blobs)))];
    const plan = makePlan(COUNT, steps, image.blobs, randomNumbers(SEED));
    assertSpread(plan, steps);
    return plan;
  }

  /** Runs a transfer into its interruption; the blobs that were whole at that moment. */
  async function interrupt(it: Interruption, transfer: Transfer): Promise<ReadonlySet<Digest>> {
    const { what, store, name } = transfer;
    const args = [CHILD, what, store.layoutPath, name, image.manifest.digest];
    const child =
      it.how === "kill" ? spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] }) : undefined;
    const exited = child === undefined ? undefined : once(child, "exit");
    const reached = Promise.withResolvers<ReadonlySet<Digest>>();
    let at = 0;
    const meanwhile = async (): Promise<void> => {
      child?.kill("SIGKILL");
      await exited;
      if (it.how === "outage") proxy.isDown = true;
      reached.resolve(await transfer.complete());
      at = proxy.exchanges.length;
      if (it.how === "outage") proxy.cutAll();
    };
    let isSet = true;
    proxy.exchanges.length = 0;
    proxy.decide = (exchange) => {
      const fault = isSet ? faultAt(it, exchange, meanwhile) : undefined;
      if (fault !== undefined) isSet = false;
      return fault;
    };
    if (exited !== undefined) assert.deepEqual(await exited, [null, "SIGKILL"], describe(it));
    else if (it.how === "cut") await transfer.run();
    else await assert.rejects(transfer.run(), describe(it));
    assert.ok(!isSet, `never came to ${describe(it)}`);
    const before = await reached.promise;
    [proxy.isDown, proxy.decide] = [false, () => undefined];
    // A connection that was cut is made again within the same run.
    proxy.exchanges.splice(0, at);
    return before;
  }

  /** Runs it once more, whole, and looks at what went over the network since the interruption. */
  async function finish(
    it: Interruption,
    transfer: Transfer,
    before: ReadonlySet<Digest>,
  ): Promise<readonly Exchange[]> {
    if (it.how !== "cut") {
      proxy.exchanges.length = 0;
      await transfer.run();
    }
    const again = proxy.exchanges.slice();
    for (const digest of before)
      assert.ok(!again.some((exchange) => isTransferOf(exchange, digest)), `${digest} again after ${describe(it)}`);
    // Chunks do not name their blob: no more bytes went than were missing.
    const missing = image.blobs.filter(({ digest }) => !before.has(digest)).reduce((sum, { size }) => sum + size, 0);
    const bytes = again.filter(({ url }) => url.includes("/blobs/")).reduce((sum, { requestBytes, responseBytes, method }) => sum + requestBytes + (method === "GET" ? responseBytes : 0), 0); // prettier-ignore
    if (it.how !== "cut") assert.ok(bytes <= missing, `${bytes} bytes for ${missing} after ${describe(it)}`);
    assert.equal((await transfer.complete()).size, image.blobs.length, describe(it));
    return again;
  }

  function faultAt(it: Interruption, exchange: Exchange, meanwhile: () => Promise<void>): Fault | undefined {
    const { point } = it;
    if (point.kind === "step") {
      const isIt = stepOf(exchange, image.blobs) === point.step;
      return isIt ? { kind: point.side === "before" ? "cut before" : "cut after", meanwhile } : undefined;
    }
    if (!isTransferOf(exchange, point.digest)) return undefined;
    const where = exchange.method === "GET" ? "response" : "request";
    return { kind: "cut", where, afterBytes: point.offset, meanwhile };
  }

  function partialSizes(store: Store): Map<string, number> {
    const folder = join(store.layoutPath, "tsbuild/partial");
    const sizeOf = (digest: string): number => {
      const path = join(folder, hexOf(digest as Digest));
      return existsSync(path) ? statSync(path).size : 0;
    };
    return new Map(image.blobs.map(({ digest }) => [digest, sizeOf(digest)] as const).filter(([, size]) => size > 0));
  }
});

/** Whether a blob's bytes are what an exchange is for. */
function isTransferOf({ method, url }: Exchange, digest: string): boolean {
  const decoded = decodeURIComponent(url);
  if (method === "GET") return decoded.endsWith(`/blobs/${digest}`);
  return (method === "PUT" || method === "PATCH") && decoded.includes("/uploads/") && decoded.includes(digest);
}

function describe({ how, point }: Interruption): string {
  const where = point.kind === "step" ? `${point.side} ${point.step}` : `byte ${point.offset} of ${point.digest}`;
  return `${how} ${where}`;
}

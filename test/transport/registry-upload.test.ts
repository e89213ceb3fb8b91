// Blobs on their way to a registry: taken over from another repository, in one piece or in chunks, and after a break
// from where the registry stands.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { hexOf } from "../../builder/core/digest.ts";
import type { openStore } from "../../builder/store/open.ts";
import { BlobCursor } from "../../builder/transport/registry/blobs/blob-cursor.ts";
import { type Exchange, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type MemoryOptions, type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";
import { noRegistry, type RunningRegistry, startRegistry } from "./registry-server.ts";
import { isError, optionsFor, pull, push, Workbench } from "./registry-workbench.ts";
import { makeImage, type SampleImage } from "./sample-image.ts";

const MIB = 1 << 20;
const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

let store: Awaited<ReturnType<typeof openStore>>;
let image: SampleImage;
let layer: Descriptor;
before(async () => {
  store = await workbench.newStore();
  image = await makeImage(store, [6 * MIB, 30_000]);
  layer = image.layers[0] ?? assert.fail();
});

const isUpload = ({ method, url }: Exchange): boolean =>
  (method === "PUT" || method === "PATCH") && url.includes("/blobs/uploads/");
/** Bodies with bytes of the large layer in them: the others are small. */
const isLarge = (exchange: Exchange): boolean =>
  isUpload(exchange) && Number(exchange.requestHeaders["content-length"]) > 100_000;

suite("an upload to a registry that remembers what came", () => {
  let registry: MemoryRegistry;
  let proxy: FaultProxy;
  const start = async (options: MemoryOptions = {}): Promise<void> => {
    registry = await startMemoryRegistry(options);
    proxy = await startFaultProxy(registry.host);
  };
  beforeEach(() => start());
  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  const isWhole = (repository = "app"): void => {
    for (const { digest, size } of image.blobs) assert.equal(registry.blobs.get(repository)?.get(digest)?.length, size);
    assert.ok(registry.manifests.get(repository)?.has("1"));
  };
  const sentBytes = (): number =>
    proxy.exchanges.filter(isUpload).reduce((sum, { requestBytes }) => sum + requestBytes, 0);
  const allBytes = (): number => image.blobs.reduce((sum, { size }) => sum + size, 0);

  test("goes in one piece as long as nothing breaks, and what is there is not sent again", async () => {
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.deepEqual(proxy.exchanges.filter(isUpload).map(({ method }) => method), ["PUT", "PUT", "PUT"]); // prettier-ignore
    proxy.exchanges.length = 0;
    await push(store, image, `${proxy.host}/app:2`, optionsFor());
    assert.ok(proxy.exchanges.every(({ method, url }) => method !== "POST" && !url.includes("uploads")));
  });

  test("that breaks goes on where the registry stands: no byte twice", async () => {
    const cuts = [1_000_000, 700_000];
    proxy.decide = (exchange) => {
      const afterBytes = isLarge(exchange) ? cuts.shift() : undefined;
      return afterBytes === undefined ? undefined : { kind: "cut", where: "request", afterBytes };
    };
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.ok(proxy.exchanges.some(({ method, url }) => method === "GET" && url.includes("/blobs/uploads/")));
    assert.equal(sentBytes(), allBytes());
  });

  test("whose last answer is lost is found to be done", async () => {
    let isLost = false;
    proxy.decide = (exchange) => {
      if (!isLarge(exchange) || isLost) return undefined;
      isLost = true;
      return { kind: "cut after" };
    };
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.equal(sentBytes(), allBytes());
  });

  test("in chunks loses no more than one answer", async () => {
    let count = 0;
    proxy.decide = (exchange) => (isLarge(exchange) && ++count % 3 === 0 ? { kind: "cut after" } : undefined);
    await push(store, image, `${proxy.host}/app:1`, { ...optionsFor(), chunkBytes: MIB });
    isWhole();
    assert.equal(sentBytes(), allBytes());
    const patches = proxy.exchanges.filter(({ method, status }) => method === "PATCH" && status === 202);
    assert.equal(patches.length, Math.ceil(layer.size / MIB));
    assert.equal(patches[1]?.requestHeaders["content-range"], `${MIB}-${2 * MIB - 1}`);
  });

  test("of a process that was stopped is taken up by the next one", async () => {
    const aborted = new AbortController();
    proxy.decide = (exchange) => {
      if (exchange.method !== "PATCH" || Number(exchange.requestHeaders["content-range"]?.split("-")[0]) < 3 * MIB) return undefined; // prettier-ignore
      aborted.abort(new Error("stopped"));
      return { kind: "cut before" };
    };
    const chunked = { ...optionsFor(), chunkBytes: MIB };
    await assert.rejects(push(store, image, `${proxy.host}/app:1`, chunked, aborted.signal), /stopped/);
    const note = join(store.layoutPath, "tsbuild/notes", hexOf(layer.digest));
    assert.match(readFileSync(note, "utf8"), /blobs\/uploads/);
    assert.equal(statSync(note).mode & 0o777, 0o600, "the place may hold a secret");
    proxy.decide = () => undefined;
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.equal(sentBytes(), allBytes());
    assert.equal(await store.notes.upload(layer.digest, `${proxy.host}/app`), undefined);
  });

  test("that the registry forgot begins anew", async () => {
    await store.notes.setUpload(layer.digest, `${proxy.host}/app`, `http://${proxy.host}/v2/app/blobs/uploads/gone`);
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
  });

  test("too large for the registry goes in smaller pieces, and not smaller than it wants them", async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await start({ largestBody: 2_500_000, smallestChunk: 2_000_000 });
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    const sizes = proxy.exchanges.filter(({ method, status }) => method === "PATCH" && status === 202).map(({ requestBytes }) => requestBytes); // prettier-ignore
    assert.ok(
      sizes.length > 1 && sizes.slice(0, -1).every((size) => size >= 2_000_000 && size <= 2_500_000),
      sizes.join(),
    );
  });

  test("that arrives spoiled is sent once more, and then left with both digests' reason", async () => {
    let refusals = 0;
    const spoiled = { kind: "answer", status: 400, body: '{"errors":[{"code":"DIGEST_INVALID","message":"not the digest"}]}' } as const; // prettier-ignore
    proxy.decide = (exchange) => (isLarge(exchange) && refusals++ < 1 ? spoiled : undefined);
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    registry.blobs.clear();
    proxy.decide = (exchange) => (isLarge(exchange) ? spoiled : undefined);
    await assert.rejects(
      push(store, image, `${proxy.host}/other:1`, optionsFor()),
      isError(
        "REGISTRY",
        new RegExp(`blob ${layer.digest} of 127.0.0.1:\\d+/other: .* HTTP 400: DIGEST_INVALID: not the digest`),
      ),
    );
    assert.ok(!registry.manifests.has("other"), "no manifest without its blobs");
  });

  test("of a file that was changed in the store is blamed on that file", async () => {
    const path = await store.pathOf(layer.digest);
    const bytes = readFileSync(path);
    try {
      for (const damaged of [Buffer.from(bytes).fill(0, 5000, 5002), bytes.subarray(0, 50_000)]) {
        writeFileSync(path, damaged);
        await assert.rejects(
          push(store, image, `${proxy.host}/app:1`, optionsFor()),
          isError(
            "DIGEST_INVALID",
            new RegExp(`is damaged in the store: "${path}": .*${layer.digest} ha`),
            /fsck --repair/,
          ),
        );
      }
    } finally {
      writeFileSync(path, bytes);
    }
    assert.ok(!registry.manifests.has("app"), "no manifest without its blobs");
  });

  test("whose registry does not see for a moment what it was given is named once it does", async () => {
    const unknown = { kind: "answer", status: 400, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}' } as const; // prettier-ignore
    const isManifest = ({ method, url }: Exchange): boolean => method === "PUT" && url.includes("/manifests/");
    let blind = 2;
    proxy.decide = (exchange) => (isManifest(exchange) && blind-- > 0 ? unknown : undefined);
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.equal(sentBytes(), allBytes());
    proxy.exchanges.length = 0;
    proxy.decide = (exchange) => (isManifest(exchange) ? unknown : undefined);
    await assert.rejects(
      push(store, image, `${proxy.host}/app:2`, optionsFor()),
      isError("REGISTRY", /manifest "2" \(sha256:.* HTTP 400: MANIFEST_BLOB_UNKNOWN: blob unknown/),
    );
    assert.equal(proxy.exchanges.filter(isManifest).length, 4, "one that it never sees is no endless wait");
  });

  test("is spared where another repository of the registry has the blob", async () => {
    await push(store, image, `${proxy.host}/team/base:1`, optionsFor());
    proxy.exchanges.length = 0;
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    assert.equal(proxy.exchanges.filter(isUpload).length, 0);
    const mounts = proxy.exchanges.filter(({ method }) => method === "POST");
    assert.deepEqual(new Set(mounts.map(({ url }) => new URL(url, "http://x").searchParams.get("from"))), new Set(["team/base"])); // prettier-ignore
  });

  test("happens after all where the other repository lost the blob, or may not be read", async () => {
    await push(store, image, `${proxy.host}/team/base:1`, optionsFor());
    registry.blobs.get("team/base")?.delete(layer.digest);
    proxy.decide = ({ method, url }) =>
      method === "POST" && url.includes("mount=") && !url.includes(hexOf(layer.digest)) ? { kind: "answer", status: 403 } : undefined; // prettier-ignore
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
  });

  test("to a registry that is busy waits as long as it says, and no longer than anybody would", async () => {
    let busy = 2;
    proxy.decide = (exchange) =>
      isLarge(exchange) && busy-- > 0 ? { kind: "answer", status: 503, headers: { "retry-after": "0" } } : undefined;
    await push(store, image, `${proxy.host}/app:1`, optionsFor());
    isWhole();
    registry.blobs.clear();
    proxy.decide = (exchange) =>
      isLarge(exchange) ? { kind: "answer", status: 429, headers: { "retry-after": "99999" } } : undefined;
    await assert.rejects(
      push(store, image, `${proxy.host}/other:1`, optionsFor()),
      isError("REGISTRY", /HTTP 429/, /come back in 99999 s/),
    );
  });
});

suite("an upload to docker-registry", { skip: noRegistry }, () => {
  let registry: RunningRegistry;
  before(async () => {
    registry = await startRegistry();
  });
  after(() => registry[Symbol.asyncDispose]());

  test("that breaks in the middle of a piece begins anew, in pieces that get smaller until they get through", async () => {
    await using proxy = await startFaultProxy(registry.host);
    proxy.decide = (exchange) =>
      isLarge(exchange) && Number(exchange.requestHeaders["content-length"]) > 1_200_000
        ? { kind: "cut", where: "request", afterBytes: 1_200_000 }
        : undefined;
    await push(store, image, `${proxy.host}/cut:1`, optionsFor());
    await pull(await workbench.newStore(), `${registry.host}/cut:1`, optionsFor());
  });

  test("that ends between two chunks is taken up by the next process", async () => {
    const own = await workbench.newStore();
    const other = await makeImage(own, [6 * MIB]);
    await using proxy = await startFaultProxy(registry.host);
    proxy.decide = (exchange) => {
      if (exchange.method === "PATCH" && exchange.requestHeaders["content-range"]?.startsWith(`${4 * MIB}-`) === true)
        proxy.isDown = true;
      return proxy.isDown ? { kind: "cut before" } : undefined;
    };
    const chunked = { ...optionsFor(), chunkBytes: 2 * MIB };
    await assert.rejects(push(own, other, `${proxy.host}/next:1`, chunked), isError("REGISTRY", /cannot reach/));
    proxy.isDown = false;
    proxy.exchanges.length = 0;
    proxy.decide = () => undefined;
    await push(own, other, `${proxy.host}/next:1`, chunked);
    const ranges = proxy.exchanges.filter(({ method }) => method === "PATCH").map(({ requestHeaders }) => requestHeaders["content-range"]); // prettier-ignore
    assert.deepEqual(ranges, [`${4 * MIB}-${6 * MIB - 1}`, `${6 * MIB}-${(other.layers[0]?.size ?? 0) - 1}`]);
    await pull(await workbench.newStore(), `${registry.host}/next:1`, optionsFor());
  });

  test("is spared by a mount, also of what was pulled from there", async () => {
    await push(store, image, `${registry.host}/base:1`, optionsFor());
    const pulled = await workbench.newStore();
    await pull(pulled, `${registry.host}/base:1`, optionsFor());
    await using proxy = await startFaultProxy(registry.host);
    // The proxy is another registry by name: only what is known of the real one counts.
    await push(pulled, image, `${proxy.host}/mounted:1`, optionsFor());
    assert.equal(proxy.exchanges.filter(isUpload).length, 3);
    const before = readdirSync(join(pulled.layoutPath, "tsbuild/notes"));
    assert.equal(before.length, 3);
    assert.deepEqual(await pulled.notes.holders(layer.digest), [`${proxy.host}/mounted`, `${registry.host}/base`]);
    await push(pulled, image, `${proxy.host}/mounted/again:1`, optionsFor());
    assert.equal(proxy.exchanges.filter(isUpload).length, 3);
    await pull(await workbench.newStore(), `${registry.host}/mounted/again:1`, optionsFor());
  });
});

suite("the pieces of a blob", () => {
  const blob = { digest: `sha256:${"0".repeat(64)}`, size: 10 } as const;
  let opened = 0;
  async function* open(): AsyncIterable<Uint8Array> {
    opened++;
    for (const text of ["abc", "defg", "", "hij"]) yield Buffer.from(text);
    await sleep(0);
  }
  const text = async (pieces: AsyncIterable<Uint8Array>): Promise<string> => Buffer.concat(await Array.fromAsync(pieces)).toString(); // prettier-ignore

  test("are read forwards from one stream, backwards from a new one", async () => {
    opened = 0;
    await using cursor = new BlobCursor(open, blob);
    assert.equal(await text(cursor.read(0, 4)), "abcd");
    assert.equal(await text(cursor.read(4, 6)), "ef");
    assert.equal(await text(cursor.read(8, 10)), "ij");
    assert.equal(opened, 1);
    assert.equal(await text(cursor.read(1, 3)), "bc");
    assert.equal(await text(cursor.read(10, 10)), "");
    assert.equal(opened, 2);
  });

  test("of a blob that is shorter than it should be are an error, not silence", async () => {
    await using cursor = new BlobCursor(open, { ...blob, size: 12 });
    await assert.rejects(text(cursor.read(0, 12)), isError("DIGEST_INVALID", /ends after 10 of its 12 bytes/));
  });
});

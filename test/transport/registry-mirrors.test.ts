// Mirrors: asked in their order, left when they fail, never believed, and never pushed to.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import type { RegistryEndpoint } from "../../builder/transport/registry/endpoints.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";
import { blobRequests, endpoint, isError, optionsFor, pull, push, routed, Workbench } from "./registry-workbench.ts";
import { makeImage, type SampleImage } from "./sample-image.ts";

const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

suite("mirrors", () => {
  let image: SampleImage;
  let layer: Descriptor;
  let registry: MemoryRegistry;
  /** It has the image below a prefix of its own. */
  let mirror: MemoryRegistry;
  let beforeMirror: FaultProxy;
  let beforeRegistry: FaultProxy;

  before(async () => {
    [registry, mirror] = [await startMemoryRegistry(), await startMemoryRegistry()];
    const store = await workbench.newStore();
    image = await makeImage(store, [300_000, 40_000]);
    layer = image.layers[0] ?? assert.fail();
    await push(store, image, `${registry.host}/app:1`, optionsFor());
    await push(store, image, `${mirror.host}/cache/app:1`, optionsFor());
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await mirror[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    [beforeMirror, beforeRegistry] = [await startFaultProxy(mirror.host), await startFaultProxy(registry.host)];
  });
  afterEach(async () => {
    await beforeMirror[Symbol.asyncDispose]();
    await beforeRegistry[Symbol.asyncDispose]();
  });

  const mirrored = (more: Partial<RegistryEndpoint> = {}): RegistryEndpoint =>
    endpoint(beforeMirror.host, { repository: "cache/app", isMirror: true, ...more });
  const route = (...mirrors: RegistryEndpoint[]): ReturnType<typeof routed> =>
    routed(...mirrors, endpoint(beforeRegistry.host));
  const pullThrough = async (router: ReturnType<typeof routed>, name = "registry.example/app:1"): Promise<void> => {
    const options = { ...optionsFor(undefined, router), idleMs: 500 };
    const pulled = await pull(await workbench.newStore(), name, options);
    assert.equal(pulled.descriptor.digest, image.manifest.digest);
  };

  test("may have their repositories at another path than /v2", async () => {
    const own = { repository: "app", origins: [`http://${beforeMirror.host}/v2/cache`], api: "" };
    await pullThrough(route(mirrored(own)));
    assert.ok(beforeMirror.exchanges.every(({ url }) => url.startsWith("/v2/cache/app/")));
    assert.equal(blobRequests(beforeMirror.exchanges, layer.digest), 1);
    assert.deepEqual(beforeRegistry.exchanges, []);
  });

  test("give everything; the registry itself is not asked", async () => {
    await pullThrough(route(mirrored()));
    assert.equal(beforeRegistry.exchanges.length, 0);
    assert.ok(beforeMirror.exchanges.some(({ url }) => url.startsWith("/v2/cache/app/manifests/")));
  });

  for (const [what, fault] of [
    ["has no such image", { kind: "answer", status: 404 }],
    ["fails", { kind: "answer", status: 503 }],
    ["wants a login", { kind: "answer", status: 401, headers: { "www-authenticate": "Basic realm=x" } }],
    ["is a web page", { kind: "page" }],
    ["cuts every connection", { kind: "cut before" }],
    ["redirects in a circle", { kind: "loop" }],
  ] as const) {
    test(`one that ${what} is passed over for the registry`, async () => {
      beforeMirror.decide = () => fault;
      await pullThrough(route(mirrored()));
      assert.ok(beforeMirror.exchanges.length > 0);
      assert.equal(blobRequests(beforeRegistry.exchanges, layer.digest), 1);
    });
  }

  test("that do not answer are asked once, not for every blob", async () => {
    beforeMirror.decide = () => ({ kind: "answer", status: 502 });
    await pullThrough(route(mirrored()));
    assert.equal(beforeMirror.exchanges.length, 2, "one attempt and one more");
  });

  test("that lie about a blob are found out, and the next place gives it", async () => {
    beforeMirror.decide = ({ url, method }) =>
      method === "GET" && url.endsWith(layer.digest) ? { kind: "spoil", atByte: 1000 } : undefined;
    await pullThrough(route(mirrored()));
    assert.equal(blobRequests(beforeMirror.exchanges, layer.digest), 1);
    assert.equal(blobRequests(beforeRegistry.exchanges, layer.digest), 1);
  });

  test("that lie about a length or a manifest are passed over too", async () => {
    for (const fault of [{ kind: "length", delta: 7 }, { kind: "spoil", atByte: 20 }, { kind: "endless" }] as const) {
      beforeMirror.decide = ({ url, method }) => (method === "GET" && url.includes("/manifests/") ? fault : undefined);
      await pullThrough(route(mirrored()));
    }
  });

  test("that break off in the middle leave the rest to the next place", async () => {
    beforeMirror.decide = ({ url }) =>
      url.endsWith(layer.digest) ? { kind: "cut", where: "response", afterBytes: 100_000 } : undefined;
    await pullThrough(route(mirrored()));
    const [rest] = beforeRegistry.exchanges.filter(({ url }) => url.endsWith(layer.digest));
    // Twice 100,000 bytes came from the mirror.
    assert.equal(rest?.requestHeaders.range, "bytes=200000-");
  });

  test("for digests only are not asked for a tag, but for all that it names", async () => {
    await pullThrough(route(mirrored({ serves: "digests" })));
    assert.deepEqual(beforeRegistry.exchanges.map(({ method, url }) => `${method} ${url}`), ["HEAD /v2/app/manifests/1"]); // prettier-ignore
    assert.equal(blobRequests(beforeMirror.exchanges, layer.digest), 1);
    assert.ok(beforeMirror.exchanges.every(({ url }) => !url.endsWith("/manifests/1")));
  });

  test("for tags only are left out when a digest is asked for", async () => {
    await pullThrough(route(mirrored({ serves: "tags" })), `registry.example/app@${image.manifest.digest}`);
    assert.equal(beforeMirror.exchanges.length, 0);
    await pullThrough(route(mirrored({ serves: "tags" })));
    assert.ok(beforeMirror.exchanges.length > 0);
  });

  test("are named, each with its reason, when nobody has the image", async () => {
    beforeMirror.decide = () => ({ kind: "answer", status: 500 });
    await assert.rejects(
      pullThrough(route(mirrored(), endpoint("127.0.0.1:1", { isMirror: true })), "registry.example/app:none"),
      isError(
        "INPUT_MISSING",
        /^manifest none of registry.example\/app is at none of 3 places: mirror "127.0.0.1:\d+": .* HTTP 500; mirror "127.0.0.1:1": .* connection refused; "127.0.0.1:\d+": .* HTTP 404: MANIFEST_UNKNOWN/,
      ),
    );
  });

  test("get their own headers, and the registry gets none of them", async () => {
    await pullThrough(route(mirrored({ headers: { "X-Mirror": "yes" }, serves: "digests" })));
    assert.ok(beforeMirror.exchanges.every(({ requestHeaders }) => requestHeaders["x-mirror"] === "yes"));
    assert.ok(beforeRegistry.exchanges.every(({ requestHeaders }) => requestHeaders["x-mirror"] === undefined));
  });

  test("are asked below the path of their origin", async () => {
    beforeMirror.decide = ({ url }) =>
      url.startsWith("/deep/er/v2/") ? undefined : { kind: "answer", status: 418, body: "not here" };
    const origins = [`http://${beforeMirror.host}/deep/er/`];
    await assert.rejects(
      pull(await workbench.newStore(), "registry.example/app:1", optionsFor(undefined, routed(mirrored({ origins })))),
      // The registry in memory does not know such paths.
      isError("INPUT_MISSING", /HTTP 404: NAME_UNKNOWN/),
    );
  });

  test("are never pushed to", async () => {
    const store = await workbench.newStore();
    const other = await makeImage(store, [1000]);
    await push(store, other, "registry.example/app:2", optionsFor(undefined, route(mirrored())));
    assert.equal(beforeMirror.exchanges.length, 0);
    assert.ok(registry.manifests.get("app")?.has("2"));
  });
});

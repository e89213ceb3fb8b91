// Networks and registries on bad days: what passes is waited for, what is cut is taken up, what lies is named.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import { MEDIA, type Descriptor } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { hexOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { giveBack, isLent } from "../../builder/core/bytes/lent-chunks.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import { pauseMs, retryAfterMs } from "../../builder/transport/registry/http/retry.ts";
import { openRegistry } from "../../builder/transport/registry/source.ts";
import { type Exchange, type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";
import { startLiar } from "./registry-server.ts";
import { blobRequests, isError, optionsFor, pull, pullAll, push, signal, Workbench } from "./registry-workbench.ts";
import { makeImage, type SampleImage } from "./sample-image.ts";

const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

suite("a registry on a bad day", () => {
  let registry: MemoryRegistry;
  let proxy: FaultProxy;
  let image: SampleImage;
  let layer: Descriptor;
  before(async () => {
    registry = await startMemoryRegistry();
    const store = await workbench.newStore();
    image = await makeImage(store, [3_000_000, 20_000]);
    layer = image.layers[0] ?? assert.fail();
    await push(store, image, `${registry.host}/app:1`, optionsFor());
  });
  after(() => registry[Symbol.asyncDispose]());
  beforeEach(async () => {
    proxy = await startFaultProxy(registry.host);
  });
  afterEach(() => proxy[Symbol.asyncDispose]());

  const isLayer = ({ url, method }: Exchange): boolean => method === "GET" && url.endsWith(layer.digest);
  const isManifest = ({ url, method }: Exchange): boolean => method === "GET" && url.includes("/manifests/");
  /** The first times that something is asked for. */
  const first = (times: number, fault: Fault, which: (exchange: Exchange) => boolean): FaultProxy["decide"] => {
    let left = times;
    return (exchange) => (which(exchange) && left-- > 0 ? fault : undefined);
  };
  const pullIt = async (more: object = {}): Promise<void> => {
    const pulled = await pull(await workbench.newStore(), `${proxy.host}/app:1`, { ...optionsFor(), ...more });
    assert.equal(pulled.descriptor.digest, image.manifest.digest);
  };

  for (const [what, fault] of [
    ["429 with seconds", { kind: "answer", status: 429, headers: { "retry-after": "1" } }],
    ["503 with a date", { kind: "answer", status: 503, headers: { date: "Wed, 25 Nov 2026 10:00:00 GMT", "retry-after": "Wed, 25 Nov 2026 10:00:01 GMT" } }], // prettier-ignore
    ["500", { kind: "answer", status: 500 }],
    ["nothing", { kind: "cut before" }],
  ] as const) {
    test(`that answers ${what} is asked again`, async () => {
      proxy.decide = first(2, fault, (exchange) => isLayer(exchange) || isManifest(exchange));
      await pullIt();
    });
  }

  test("that asks for more patience than anybody has is left, with what it said", async () => {
    proxy.decide = () => ({ kind: "answer", status: 429, headers: { "retry-after": "3600" }, body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"pull limit"}]}' }); // prettier-ignore
    await assert.rejects(pullIt(), isError("REGISTRY", /HTTP 429/, /come back in 3600 s/));
    assert.equal(proxy.exchanges.filter(({ url }) => url !== "/v2/").length, 1);
  });

  test("that fails for good is asked a few times and no more", async () => {
    proxy.decide = (exchange) => (isLayer(exchange) ? { kind: "answer", status: 500, body: "<html>" } : undefined);
    await assert.rejects(
      pullIt(),
      isError(
        "REGISTRY",
        new RegExp(`blob ${layer.digest} of 127.0.0.1:\\d+/app: .* HTTP 500: it answered with a web page`),
      ),
    );
    assert.equal(proxy.exchanges.filter(isLayer).length, 4);
    // What only helps with a misspelt tag is worth no pauses.
    const isList = ({ url }: Exchange): boolean => url.includes("/tags/list");
    proxy.decide = (exchange) => (isList(exchange) ? { kind: "answer", status: 503 } : undefined);
    const store = await workbench.newStore();
    await assert.rejects(
      pull(store, `${proxy.host}/app:2`, optionsFor()),
      isError("INPUT_MISSING", /manifest 2 of .* HTTP 404/, /is the name right, and the tag/),
    );
    assert.equal(proxy.exchanges.filter(isList).length, 1);
  });

  test("that cuts again and again gives every byte once", async () => {
    const cuts = [10_000, 600_000, 1, 900_000, 1_200_000];
    proxy.decide = (exchange) => {
      const afterBytes = isLayer(exchange) ? cuts.shift() : undefined;
      return afterBytes === undefined ? undefined : { kind: "cut", where: "response", afterBytes };
    };
    await pullIt();
    const bytes = proxy.exchanges.filter(isLayer).reduce((sum, { responseBytes }) => sum + responseBytes, 0);
    assert.equal(bytes, layer.size);
  });

  test("that stands still in the middle is not waited for without end", async () => {
    proxy.decide = first(1, { kind: "stall", afterBytes: 1_000_000 }, isLayer);
    await pullIt({ idleMs: 300 });
    assert.deepEqual(proxy.exchanges.filter(isLayer).map(({ requestHeaders }) => requestHeaders.range), [undefined, "bytes=1000000-"]); // prettier-ignore
  });

  test("that is slow gives each piece of a large blob as it comes, and the rest in memory that is used again", async () => {
    const bytes = randomBytes(3_000_007);
    const head = bytes.subarray(0, 50_000);
    const goOn = Promise.withResolvers<void>();
    await using slow = await startLiar((_request, response) => {
      response.writeHead(200, { "content-length": bytes.length }).write(head);
      void goOn.promise.then(() => response.end(bytes.subarray(head.length)));
    });
    const descriptor = { mediaType: MEDIA.ociLayer, digest: digestOf(bytes), size: bytes.length };
    await using source = await openRegistry(parseReference(`${slow.host}/app:1`), optionsFor());
    const hash = createHash("sha256");
    let [came, lentChunks] = [0, 0];
    for await (const chunk of source.blob(descriptor, signal)) {
      hash.update(chunk);
      came += chunk.length;
      if (came === head.length) goOn.resolve();
      if (isLent(chunk)) lentChunks++;
      giveBack(chunk);
    }
    assert.equal(`sha256:${hash.digest("hex")}`, descriptor.digest);
    assert.ok(lentChunks > 0, "no chunk was read into memory of ours");
  });

  test("that knows no ranges gives the whole, of which the rest is taken", async () => {
    const bytes = registry.blobs.get("app")?.get(layer.digest) ?? assert.fail();
    proxy.decide = (exchange) => {
      if (!isLayer(exchange)) return undefined;
      if (proxy.exchanges.filter(isLayer).length === 1)
        return { kind: "cut", where: "response", afterBytes: 1_500_000 };
      return { kind: "answer", status: 416 };
    };
    await using plain = await startLiar((request, response) => {
      const { url = "", headers } = request;
      if (url.endsWith(layer.digest)) {
        if (headers.range === undefined) {
          response.writeHead(200, { "content-length": String(bytes.length) });
          return void response.write(bytes.subarray(0, 1_500_000), () => response.destroy());
        }
        return void response.end(bytes);
      }
      return void response.writeHead(307, { location: `http://${registry.host}${url}` }).end();
    });
    const pulled = await pull(await workbench.newStore(), `${plain.host}/app:1`, optionsFor());
    assert.equal(pulled.descriptor.digest, image.manifest.digest);
  });

  test("leaves, when it breaks off for good, what came: the next process asks for the rest only", async () => {
    const store = await workbench.newStore();
    proxy.decide = (exchange) =>
      isLayer(exchange) ? { kind: "cut", where: "response", afterBytes: 200_000 } : undefined;
    await assert.rejects(
      pull(store, `${proxy.host}/app:1`, optionsFor()),
      isError("REGISTRY", /the connection broke 4 times/),
    );
    assert.deepEqual(partials(store.layoutPath), [hexOf(layer.digest)]);
    assert.ok(!readdirSync(join(store.layoutPath, "blobs/sha256")).includes(hexOf(layer.digest)));
    proxy.decide = () => undefined;
    proxy.exchanges.length = 0;
    await pull(store, `${proxy.host}/app:1`, optionsFor());
    assert.deepEqual(proxy.exchanges.filter(isLayer).map(({ requestHeaders }) => requestHeaders.range), ["bytes=800000-"]); // prettier-ignore
    assert.deepEqual(partials(store.layoutPath), []);
  });

  test("whose bytes are wrong leaves nothing, neither under a name nor to go on with", async () => {
    const store = await workbench.newStore();
    proxy.decide = (exchange) => (isLayer(exchange) ? { kind: "spoil", atByte: 100_000 } : undefined);
    await assert.rejects(
      pull(store, `${proxy.host}/app:1`, optionsFor()),
      isError("DIGEST_INVALID", new RegExp(`127.0.0.1:\\d+/app:1: blob ${layer.digest} was expected, sha256:`)),
    );
    assert.equal(await store.sizeOf(layer.digest), undefined);
    assert.deepEqual(partials(store.layoutPath), []);
  });

  test("with a manifest of 10 GB is refused before it is read", async () => {
    proxy.decide = (exchange) => (isManifest(exchange) ? { kind: "length", delta: 10_000_000_000 } : undefined);
    const byDigest = `${proxy.host}/app@${image.manifest.digest}`;
    await assert.rejects(
      pull(await workbench.newStore(), byDigest, optionsFor()),
      isError(
        "DIGEST_INVALID",
        /manifest sha256:.* of .*\/app is larger than 4194304 bytes: the registry says 10000000/,
      ),
    );
  });

  const isConfig = ({ url, method }: Exchange): boolean => method === "GET" && url.endsWith(image.config.digest);
  for (const [what, fault, which, message] of [
    ["a manifest without end", { kind: "endless" }, isManifest, /manifest sha256:[0-9a-f]{64} of [0-9.:]+\/app is larger than 4194304 bytes/],
    ["a layer without end", { kind: "endless" }, isLayer, /blob sha256:[0-9a-f]{64} of [0-9.:]+\/app: more than its \d+ bytes came/],
    ["a config without end", { kind: "endless" }, isConfig, /blob sha256:[0-9a-f]{64} of [0-9.:]+\/app: more than its \d+ bytes came/],
    ["a manifest that redirects to itself", { kind: "loop" }, isManifest, /redirects more than 10 times/],
    ["a layer that redirects to itself", { kind: "loop" }, isLayer, /redirects more than 10 times/],
    ["a web page for a manifest", { kind: "page" }, isManifest, /manifest sha256:.* of .*: it answered with a web page/],
    ["a web page for a layer", { kind: "page" }, isLayer, /blob sha256:.* of .*: it answered with a web page/],
    ["a layer that is longer than its manifest says", { kind: "length", delta: 5 }, isLayer, /gives 3\d+ bytes, the manifest says 3\d+/],
  ] as const) {
    test(`that gives ${what} is left, by name, and nothing stays`, async () => {
      const store = await workbench.newStore();
      proxy.decide = (exchange) => (which(exchange) ? fault : undefined);
      await assert.rejects(pull(store, `${proxy.host}/app:1`, optionsFor()), (error) => {
        assert.ok(error instanceof BuildError && ["REGISTRY", "DIGEST_INVALID"].includes(error.code), String(error));
        assert.match(error.message, message);
        return true;
      });
      for (const { digest } of [layer, image.manifest])
        if (which !== isLayer || digest === layer.digest) assert.equal(await store.sizeOf(digest), undefined);
      assert.deepEqual(partials(store.layoutPath), []);
    });
  } // prettier-ignore

  test("of which everything is known is asked by one HEAD for a tag, and for a digest not at all", async () => {
    const store = await workbench.newStore();
    await pull(store, `${proxy.host}/app:1`, optionsFor());
    proxy.exchanges.length = 0;
    await pull(store, `${proxy.host}/app:1`, optionsFor());
    assert.deepEqual(proxy.exchanges.map(({ method, url }) => `${method} ${url}`), ["GET /v2/", "HEAD /v2/app/manifests/1"]); // prettier-ignore
    proxy.exchanges.length = 0;
    await pull(store, `${proxy.host}/app@${image.manifest.digest}`, optionsFor());
    assert.deepEqual(proxy.exchanges, []);
    await using source = await openRegistry(parseReference(`${proxy.host}/app@${image.manifest.digest}`), optionsFor());
    assert.equal((await pullAll(source, store)).digest, image.manifest.digest);
    assert.deepEqual(proxy.exchanges, []);
  });

  test("is asked once for a blob that two images need at the same time", async () => {
    const store = await workbench.newStore();
    const names = [`${proxy.host}/app:1`, `${proxy.host}/app@${image.manifest.digest}`];
    await Promise.all(names.map((name) => pull(store, name, optionsFor())));
    assert.equal(blobRequests(proxy.exchanges, layer.digest), 1);
  });

  test("that calls a manifest what it is not is found out", async () => {
    const { bytes = Buffer.alloc(0) } = registry.manifests.get("app")?.get("1") ?? {};
    await using liar = await startLiar((request, response) => {
      if (request.url?.endsWith("/index") === true) {
        const manifests = [{ ...image.manifest, mediaType: MEDIA.dockerManifest, platform: { os: "linux", architecture: "amd64" } }]; // prettier-ignore
        const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
        return response.writeHead(200, { "content-type": MEDIA.ociIndex }).end(index);
      }
      const isLie = request.url?.endsWith("/1") === true;
      return response.writeHead(200, { "content-type": isLie ? MEDIA.ociIndex : MEDIA.ociManifest }).end(bytes);
    });
    const store = await workbench.newStore();
    await assert.rejects(
      pull(store, `${liar.host}/app:1`, optionsFor()),
      isError("DIGEST_INVALID", /the registry calls it ".*index.*", but it is ".*manifest.*"/),
    );
    await assert.rejects(
      pull(store, `${liar.host}/app:index`, optionsFor()),
      isError("ARCHIVE_INVALID", /manifest sha256:.* is called ".*docker.*", but is ".*oci.*"/),
    );
    assert.deepEqual(readdirSync(join(store.layoutPath, "blobs/sha256")), []);
  });

  test("that keeps foreign layers, or a schema 1 manifest, is told so", async () => {
    const foreign = { schemaVersion: 2, mediaType: MEDIA.dockerManifest, config: image.config, layers: [{ ...layer, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }] }; // prettier-ignore
    const old = { schemaVersion: 1, name: "app", tag: "old", fsLayers: [] };
    const put = (tag: string, type: string, content: object): void =>
      [tag, digestOf(JSON.stringify(content))].forEach((name) =>
        registry.manifests.get("app")?.set(name, { type, bytes: Buffer.from(JSON.stringify(content)) }),
      );
    put("foreign", MEDIA.dockerManifest, foreign);
    put("old", "application/vnd.docker.distribution.manifest.v1+prettyjws", old);
    const store = await workbench.newStore();
    const all = async (tag: string): Promise<unknown> => {
      await using source = await openRegistry(parseReference(`${proxy.host}/app:${tag}`), optionsFor());
      return await pullAll(source, store);
    };
    for (const take of [(tag: string) => pull(store, `${proxy.host}/app:${tag}`, optionsFor()), all]) {
      await assert.rejects(
        take("foreign"),
        isError("UNSUPPORTED", new RegExp(`layer ${layer.digest} of .*is foreign`)),
      );
      await assert.rejects(take("old"), isError("UNSUPPORTED", /of Docker's schema 1, given up in 2017/));
    }
    assert.equal(await store.sizeOf(digestOf(JSON.stringify(foreign))), undefined);
  });
});

suite("pauses", () => {
  const policy = { retries: 3, firstDelayMs: 100, longestDelayMs: 1000, random: () => 0.5 };

  test("double, are spread, and end at a longest one; the server's wish counts up to that", () => {
    assert.deepEqual(
      [0, 1, 2, 5].map((attempt) => pauseMs(policy, attempt, undefined)),
      [75, 150, 300, 750],
    );
    assert.equal(pauseMs({ ...policy, random: () => 0 }, 0, undefined), 50);
    assert.equal(pauseMs(policy, 0, 400), 400);
    assert.equal(pauseMs(policy, 5, 400), 750);
    assert.equal(pauseMs(policy, 0, 1001), undefined);
  });

  test("are read from seconds and from dates, which are measured by the server's own clock", () => {
    assert.equal(retryAfterMs({ "retry-after": "12" }), 12_000);
    const date = "Wed, 25 Nov 2026 10:00:00 GMT";
    assert.equal(retryAfterMs({ date, "retry-after": "Wed, 25 Nov 2026 10:00:30 GMT" }), 30_000);
    assert.equal(retryAfterMs({ date, "retry-after": "Wed, 25 Nov 2026 09:00:30 GMT" }), 0);
    for (const text of ["", "soon", "-3", "1.5"])
      assert.equal(retryAfterMs({ date, "retry-after": text }), undefined, text);
  });
});

function partials(root: string): string[] {
  try {
    return readdirSync(join(root, "tsbuild/partial"));
  } catch {
    return [];
  }
}

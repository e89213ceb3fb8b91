// Registries: a real one, pushed to and pulled from, and ones that lie.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import { exportImage } from "../../builder/exporter/image.ts";
import { assembleManifest } from "../../builder/image/manifest.ts";
import { openStore } from "../../builder/store/open.ts";
import { pullImage } from "../../builder/transport/pull.ts";
import { parseChallenges } from "../../builder/transport/registry/auth/challenge.ts";
import type { RegistryOptions } from "../../builder/transport/registry/client.ts";
import { directRouter } from "../../builder/transport/registry/direct-router.ts";
import { openRegistrySink } from "../../builder/transport/registry/sink.ts";
import { openRegistry } from "../../builder/transport/registry/source.ts";
import { AMD64, sampleResult } from "../exporter/sample.ts";
import { pullAll } from "./registry-workbench.ts";
import { noRegistry, startLiar, startRegistry } from "./registry-server.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-pull-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const newStore = (): ReturnType<typeof openStore> => openStore(mkdtempSync(join(temp, "s-")));
const signal = new AbortController().signal;
const options = (login?: { username: string; password: string }): RegistryOptions => ({
  router: directRouter({ insecure: [] }),
  credentials: async () => login,
  retry: { retries: 2, firstDelayMs: 1, longestDelayMs: 1000, random: () => 0 },
});
const look = { mediaTypes: "oci", compression: "gzip", forceCompression: false, annotations: [] } as const;

const isError =
  (code: string, message: RegExp) =>
  (error: unknown): boolean => {
    assert(error instanceof BuildError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };

async function push(
  names: readonly string[],
  registry: RegistryOptions,
  more: { byDigest?: boolean; platforms?: number } = {},
): Promise<Descriptor> {
  const store = await newStore();
  const results = [
    await sampleResult(store),
    await sampleResult(store, "arm", { os: "linux", architecture: "arm64" }),
  ].slice(0, more.platforms ?? 1);
  const spec = {
    type: "image",
    image: { ...look, names },
    push: true,
    pushByDigest: more.byDigest ?? false,
    store: false,
  } as const;
  const made = await exportImage(spec, results, {
    store,
    createdMs: 0,
    signal,
    openSink: (repository) => openRegistrySink(repository, registry),
    workDirectory: tmpdir(),
  });
  return made.descriptor;
}

async function pull(name: string, registry: RegistryOptions): ReturnType<typeof pullImage> {
  const store = await newStore();
  await using source = await openRegistry(parseReference(name), registry);
  const image = await pullImage(source, AMD64, store, signal);
  for (const { descriptor } of image.layers) await image.fetchLayer(descriptor, signal);
  for (const { descriptor } of image.layers) assert.equal(await store.sizeOf(descriptor.digest), descriptor.size);
  return image;
}

suite("a real registry", { skip: noRegistry }, () => {
  test("gives back what was pushed, by every tag and by digest", async () => {
    await using registry = await startRegistry();
    const pushed = await push([`${registry.host}/team/app:1`, `${registry.host}/team/app:2`], options());
    for (const name of ["app:1", "app:2", `app@${pushed.digest}`]) {
      const image = await pull(`${registry.host}/team/${name}`, options());
      assert.equal(image.descriptor.digest, pushed.digest);
    }
    if (spawnSync("skopeo", ["--version"]).status === 0) {
      const raw = execFileSync("skopeo", [
        "inspect",
        "--raw",
        "--tls-verify=false",
        `docker://${registry.host}/team/app:1`,
      ]);
      assert.equal(digestOf(raw), pushed.digest);
    }
  });

  test("takes several platforms under one index, and gives each its own", async () => {
    await using registry = await startRegistry();
    const pushed = await push([`${registry.host}/multi`], options(), { platforms: 2 });
    const image = await pull(`${registry.host}/multi`, options());
    assert.equal(image.top.digest, pushed.digest);
    assert.notEqual(image.descriptor.digest, pushed.digest);
    const store = await newStore();
    await using source = await openRegistry(parseReference(`${registry.host}/multi`), options());
    assert.equal((await pullAll(source, store)).digest, pushed.digest);
  });

  test("keeps what is pushed by digest without a tag", async () => {
    await using registry = await startRegistry();
    const pushed = await push([`${registry.host}/app:1`], options(), { byDigest: true });
    assert.equal((await pull(`${registry.host}/app@${pushed.digest}`, options())).descriptor.digest, pushed.digest);
    await assert.rejects(
      pull(`${registry.host}/app:1`, options()),
      isError("INPUT_MISSING", /manifest 1 of 127.0.0.1:\d+\/app: .* HTTP 404: MANIFEST_UNKNOWN/),
    );
  });

  test("with a password lets in who knows it, and says who does not", async () => {
    const login = { username: "me", password: "s3cret" };
    await using registry = await startRegistry(login);
    const name = `${registry.host}/app:1`;
    await assert.rejects(push([name], options()), isError("PUSH", /wants a login, and there are no credentials/));
    await assert.rejects(push([name], options({ ...login, password: "wr0ng" })), (error) => {
      assert(isError("PUSH", /refuses the credentials of "me"/)(error));
      assert(!String((error as Error).stack).includes("wr0ng"));
      return true;
    });
    const pushed = await push([name], options(login));
    assert.equal((await pull(name, options(login))).descriptor.digest, pushed.digest);
  });
});

suite("a registry that lies", () => {
  const layer = gzipSync(randomBytes(300_000));
  const layerDescriptor: Descriptor = { mediaType: MEDIA.ociLayerGzip, digest: digestOf(layer), size: layer.length };
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestOf("x")] } }),
  );
  const configDescriptor: Descriptor = { mediaType: MEDIA.ociConfig, digest: digestOf(config), size: config.length };
  const manifest = assembleManifest(configDescriptor, [layerDescriptor], "oci");

  type Answer = (response: ServerResponse, host: string, range: string | undefined) => void;
  /** An honest registry but for what is given. */
  async function pullFrom(
    lies: { manifest?: Answer; layer?: Answer },
    reference = "app:1",
  ): ReturnType<typeof pullImage> {
    await using server = await startLiar((request, response, host) => {
      const url = request.url ?? "";
      const range = request.headers.range;
      if (url.includes("/manifests/")) {
        // As registries do that know no HEAD.
        if (request.method === "HEAD") return response.writeHead(405).end();
        if (lies.manifest !== undefined) return lies.manifest(response, host, range);
        return response.writeHead(200, { "content-type": MEDIA.ociManifest }).end(manifest.bytes);
      }
      if (url.endsWith(configDescriptor.digest)) return response.end(config);
      return lies.layer === undefined ? response.end(layer) : lies.layer(response, host, range);
    });
    return await pull(`${server.host}/${reference}`, options());
  }

  test("in nothing is believed", async () => {
    assert.equal((await pullFrom({})).descriptor.digest, manifest.descriptor.digest);
  });

  test("about a layer's bytes is found out, by name and digest", async () => {
    const other = Buffer.from(layer);
    other[100] = (other[100] ?? 0) ^ 1;
    await assert.rejects(
      pullFrom({ layer: (response) => response.end(other) }),
      isError("DIGEST_INVALID", new RegExp(`/app:1: blob ${layerDescriptor.digest} was expected, sha256:`)),
    );
  });

  test("about a layer's size is found out before its bytes are read, and an endless body too", async () => {
    await assert.rejects(
      pullFrom({ layer: (response) => response.end(Buffer.concat([layer, layer])) }),
      isError("DIGEST_INVALID", /the registry gives \d+ bytes, the manifest says/),
    );
    const endless: Answer = (response) => {
      response.writeHead(200);
      const more = (): void => {
        while (response.write(Buffer.alloc(1 << 16)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    };
    await assert.rejects(pullFrom({ layer: endless }), isError("DIGEST_INVALID", /more than its \d+ bytes came/));
    await assert.rejects(pullFrom({ manifest: endless }), isError("DIGEST_INVALID", /is larger than \d+ bytes/));
  });

  test("with a manifest that has another digest is found out", async () => {
    await assert.rejects(pullFrom({}, `app@${digestOf("other")}`), isError("DIGEST_INVALID", /for sha256:/));
    const header: Answer = (response) =>
      response
        .writeHead(200, { "content-type": MEDIA.ociManifest, "docker-content-digest": digestOf("other") })
        .end(manifest.bytes);
    await assert.rejects(pullFrom({ manifest: header }), isError("DIGEST_INVALID", /the registry gave bytes with/));
  });

  test("with a web page is told to be one", async () => {
    const page: Answer = (response) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome to nginx</html>");
    await assert.rejects(
      pullFrom({ manifest: page }),
      isError("REGISTRY", /answered with a web page: is it a registry\?/),
    );
  });

  test("with redirects without end is left", async () => {
    const loop: Answer = (response) => response.writeHead(307, { location: "/v2/app/manifests/1" }).end();
    await assert.rejects(pullFrom({ manifest: loop }), isError("REGISTRY", /redirects more than 10 times/));
  });

  test("is asked again after a passing failure, and taken up where a connection broke", async () => {
    let failures = 0;
    const breaks: Answer = (response, _host, range) => {
      if (failures++ === 0) {
        response.writeHead(503).end();
        return;
      }
      if (failures === 2) {
        response.writeHead(200, { "content-length": String(layer.length) });
        response.write(layer.subarray(0, 100_000), () => response.destroy());
        return;
      }
      const from = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1]);
      assert(from > 0 && from <= 100_000);
      response.writeHead(206).end(layer.subarray(from));
    };
    await pullFrom({ layer: breaks });
    assert.equal(failures, 3);
  });

  test("is not there at all: the host is named", async () => {
    await assert.rejects(
      pull("127.0.0.1:1/app:1", options()),
      isError("REGISTRY", /cannot reach "127.0.0.1:1": connection refused/),
    );
  });
});

suite("credentials", () => {
  const login = { username: "me", password: "s3cret" };

  test("are exchanged for a token, and do not follow a redirect to another host", async () => {
    const seen: (string | undefined)[] = [];
    const blob = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
    );
    const manifest = assembleManifest(
      { mediaType: MEDIA.ociConfig, digest: digestOf(blob), size: blob.length },
      [],
      "oci",
    );
    await using elsewhere = await startLiar((request, response) => {
      seen.push(request.headers.authorization);
      response.end(blob);
    });
    await using registry = await startLiar((request, response, host) => {
      const url = request.url ?? "";
      if (url.startsWith("/token")) {
        const query = new URL(url, "http://x").searchParams;
        assert.equal(query.get("scope"), "repository:app:pull");
        assert.equal(query.get("service"), "it");
        assert.equal(request.headers.authorization, `Basic ${Buffer.from("me:s3cret").toString("base64")}`);
        return response.end('{"token":"t0ken"}');
      }
      if (request.headers.authorization !== "Bearer t0ken") {
        return response
          .writeHead(401, {
            "www-authenticate": `Bearer realm="http://${host}/token",service="it",scope="repository:app:pull"`,
          })
          .end();
      }
      if (url.includes("/blobs/"))
        return response.writeHead(307, { location: `http://${elsewhere.host}/bucket` }).end();
      return response.writeHead(200, { "content-type": MEDIA.ociManifest }).end(manifest.bytes);
    });
    await pull(`${registry.host}/app:1`, options(login));
    assert.deepEqual(seen, [undefined]);
  });

  test("are not sent to a token server by plain http on another machine", async () => {
    await using registry = await startLiar((_request, response) =>
      response.writeHead(401, { "www-authenticate": 'Bearer realm="http://evil.example/token"' }).end(),
    );
    await assert.rejects(
      pull(`${registry.host}/app:1`, options(login)),
      isError("REGISTRY", /are not sent to "evil.example" by plain http/),
    );
  });

  test("are asked for in whatever form of challenge", () => {
    const [basic, bearer] = parseChallenges('Basic realm="a, b", Bearer realm="https://x/t?a=1,2",service=it');
    assert.equal(basic?.parameters.get("realm"), "a, b");
    assert.deepEqual(
      [...(bearer?.parameters ?? [])],
      [
        ["realm", "https://x/t?a=1,2"],
        ["service", "it"],
      ],
    );
    assert.deepEqual(parseChallenges("Negotiate"), []);
  });
});

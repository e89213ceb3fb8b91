// Configuration from end to end: files in a HOME, real registries, and skopeo, which reads the same files.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { digestOf as sha256 } from "../../builder/core/digest.ts";
import type { Certificate } from "../support/certificates.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";
import { missing } from "../peers/demo-image.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import { ConfigHome, isError } from "./config-home.ts";
import { clientOf, digestOf, pushSample } from "./sample-registry.ts";
import { COMPILE_CACHE } from "../support/compile-cache.ts";
import { endServer } from "../support/loopback.ts";

const TSBUILD = join(import.meta.dirname, "../../bin/tsbuild.js");
const CONF = "home/.config/containers/registries.conf";
const NAME = "upstream.example/team/app:1";

/** What skopeo finds under a name; it has no other configuration than the user's in this HOME. */
async function askSkopeo(home: ConfigHome, name: string): Promise<string> {
  // Without --raw it also lists tags, and for that it goes to the upstream, whatever registries.conf says.
  const args = ["--registries.d", home.home, "inspect", "--raw", `docker://${name}`];
  const environment = { PATH: process.env["PATH"], HOME: home.home };
  const { stdout } = await promisify(execFile)("skopeo", args, { env: environment, encoding: "buffer" });
  return sha256(stdout);
}

suite("two registries with different images of one name", { skip: noRegistry }, () => {
  /** A mirror's entry in each family of files: the place is `host/hub`, spoken to in plain HTTP. */
  const families: Readonly<Record<string, (host: string) => readonly [string, string]>> = {
    "registries.conf, a mirror": (host) => [
      CONF,
      `[[registry]]\nlocation = "upstream.example"\n[[registry.mirror]]\nlocation = "${host}/hub"\ninsecure = true`,
    ],
    "registries.conf, another location": (host) => [
      CONF,
      `[[registry]]\nprefix = "upstream.example/team"\nlocation = "${host}/hub/team"\ninsecure = true`,
    ],
    "hosts.toml": (host) => [
      "home/.config/containerd/certs.d/upstream.example/hosts.toml",
      `[host."http://${host}/v2/hub"]\noverride_path = true`,
    ],
    "buildkitd.toml": (host) => [
      "home/.config/buildkit/buildkitd.toml",
      `[registry."upstream.example"]\nmirrors = ["${host}/hub"]\n[registry."${host}"]\nhttp = true`,
    ],
  };

  test("the one that is configured answers, in every family of files, and skopeo agrees", async (t) => {
    await using a = await startRegistry();
    await using b = await startRegistry();
    using plain = new ConfigHome();
    const pushed = {
      a: await pushSample(`${a.host}/hub/team/app:1`, "a", await clientOf(plain)),
      b: await pushSample(`${b.host}/hub/team/app:1`, "b", await clientOf(plain)),
    };
    assert.notEqual(pushed.a, pushed.b);
    for (const [family, file] of Object.entries(families)) {
      for (const which of ["a", "b"] as const) {
        const [path, text] = file({ a: a.host, b: b.host }[which]);
        using home = new ConfigHome({ [path]: text });
        assert.equal(await digestOf(NAME, await clientOf(home)), pushed[which], family);
        if (!path.endsWith("registries.conf") || missing("skopeo") !== false) continue;
        assert.equal(await askSkopeo(home, NAME), pushed[which], `skopeo, ${family}`);
      }
    }
    t.diagnostic(missing("skopeo") === false ? "compared with skopeo" : "skopeo is not installed");
  });

  test("a short name in FROM is what registries.conf says, when that is asked for", async () => {
    await using a = await startRegistry();
    using home = new ConfigHome({ [CONF]: `[aliases]\napp = "${a.host}/team/app"`, Dockerfile: "FROM app:1\n" });
    await pushSample(`${a.host}/team/app:1`, "a", await clientOf(home));
    const args = [TSBUILD, "--root", join(home.folder, "root"), "build", "-q", home.folder];
    const env = { ...home.environment, TSBUILD_SHORT_NAMES: "containers" };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/);
  });

  test("a mirror that lacks the image is passed over, one for digests only is not asked for tags", async () => {
    await using a = await startRegistry();
    await using b = await startRegistry();
    using home = new ConfigHome({
      [CONF]: `[[registry]]\nprefix = "upstream.example"\nlocation = "${b.host}"\n[[registry.mirror]]\nlocation = "${a.host}/none"\n[[registry.mirror]]\nlocation = "${a.host}"\npull-from-mirror = "digest-only"`,
    });
    using plain = new ConfigHome();
    await pushSample(`${a.host}/team/app:1`, "a", await clientOf(plain));
    const digest = await pushSample(`${b.host}/team/app:1`, "b", await clientOf(plain));
    assert.equal(await digestOf(NAME, await clientOf(home)), digest);
  });
});

suite("passwords and certificates", { skip: noRegistry || noOpenssl }, () => {
  const login = { username: "bob", password: "sesame" };
  const auths = (host: string): string =>
    JSON.stringify({ auths: { [host]: { auth: Buffer.from("bob:sesame").toString("base64") } } });
  const folder = new ConfigHome();
  after(() => folder[Symbol.dispose]());
  let authority: Certificate;
  let server: Certificate;
  let client: Certificate;
  before(() => {
    authority = makeAuthority(folder.home, "ca");
    server = makeCertificate(folder.home, "server", authority);
    client = makeCertificate(folder.home, "client", authority);
  });

  function trust(home: ConfigHome, path: string, files: Readonly<Record<string, string>>): void {
    for (const [name, from] of Object.entries(files)) {
      const to = join(home.folder, path, name);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(from, to);
    }
  }

  test("a private authority, a client certificate and a password, as certs.d and auth.json have them", async () => {
    await using registry = await startRegistry(login, { tls: { certificate: server, clients: authority } });
    const { host } = registry;
    const own = `home/.config/containers/certs.d/${host}`;
    using home = new ConfigHome({ "home/.config/containers/auth.json": auths(`${host}/team`) });
    trust(home, own, {
      "ca.crt": authority.certificatePath,
      "me.cert": client.certificatePath,
      "me.key": client.keyPath,
    });
    const digest = await pushSample(`${host}/team/app:1`, "tls", await clientOf(home));
    assert.equal(await digestOf(`${host}/team/app:1`, await clientOf(home)), digest);
    await assert.rejects(digestOf(`${host}/other/app:1`, await clientOf(home)), isError("REGISTRY", /wants a login/));
    if (missing("skopeo") === false) assert.equal(await askSkopeo(home, `${host}/team/app:1`), digest);

    using stranger = new ConfigHome({ "home/.docker/config.json": auths(host) });
    const other = makeAuthority(stranger.home, "other");
    trust(stranger, own, { "ca.crt": other.certificatePath });
    await assert.rejects(digestOf(`${host}/team/app:1`, await clientOf(stranger)), isError("REGISTRY", /certificate/));
    using bare = new ConfigHome({ "home/.docker/config.json": auths(host) });
    trust(bare, own, { "ca.crt": authority.certificatePath });
    await assert.rejects(
      digestOf(`${host}/team/app:1`, await clientOf(bare)),
      isError("REGISTRY", /client certificate/),
    );
  });
});

test(
  "a build with a login leaves no trace of it: not in events, metadata, the image or the store",
  { skip: noRegistry },
  async () => {
    await using registry = await startRegistry({ username: "bob", password: "sesame-4711" });
    const secrets = ["sesame-4711", Buffer.from("bob:sesame-4711").toString("base64")];
    using home = new ConfigHome({
      "home/.docker/config.json": JSON.stringify({ auths: { [registry.host]: { auth: secrets[1] } } }),
      "context/Dockerfile": `FROM ${registry.host}/team/app:1\nCOPY Dockerfile /\n`,
    });
    await pushSample(`${registry.host}/team/app:1`, "a", await clientOf(home));
    const file = (name: string): string => join(home.folder, name);
    const outputs = [
      "--metadata-file",
      file("metadata"),
      "-o",
      `type=oci,dest=${file("image")}`,
      "-o",
      "type=image,push=true",
    ];
    const flags = ["-D", "--progress", "rawjson", "-t", `${registry.host}/team/new`, ...outputs];
    const args = [TSBUILD, "--root", file("root"), "build", ...flags, file("context")];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      env: { ...COMPILE_CACHE, ...home.environment },
    });
    assert.match(stderr, /vertexes/);
    const texts = [stdout, stderr, ...["metadata", "image"].map((name) => readFileSync(file(name), "latin1"))];
    for (const one of globSync("root/**", { cwd: home.folder }).map(file))
      if (statSync(one).isFile()) texts.push(readFileSync(one, "latin1"));
    assert.ok(texts.length > 8, "the store has files");
    for (const secret of secrets) assert.ok(!texts.some((text) => text.includes(secret)), "a secret was written down");
  },
);

/** An HTTP server of the test's own, with what it was asked. */
async function listen(
  answer: (request: IncomingMessage) => { readonly status: number; readonly headers?: Record<string, string> },
): Promise<AsyncDisposable & { readonly host: string; readonly asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    const { status, headers } = answer(request);
    response.writeHead(status, headers).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      await endServer(server);
    },
  };
}

test("headers and the registry's name go to the place that they are for, each login to its repository", async () => {
  await using mirror = await listen(({ headers }) =>
    headers.authorization === undefined
      ? { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }
      : { status: 404 },
  );
  const { host } = mirror;
  const auth = (user: string): object => ({ auth: Buffer.from(`${user}:p`).toString("base64") });
  using home = new ConfigHome({
    "home/.config/containerd/certs.d/upstream.example/hosts.toml": `server = "http://${host}"\n[host."http://${host}/base"]\n[host."http://${host}/base".header]\nX-Key = "k"`,
    "home/.docker/config.json": JSON.stringify({
      HttpHeaders: { "X-Meta-Who": "me" },
      auths: { [`${host}/team`]: auth("team"), [host]: auth("all") },
    }),
  });
  const options = await clientOf(home);
  for (const name of ["team/app", "other/app"])
    await assert.rejects(digestOf(`upstream.example/${name}`, options), isError("INPUT_MISSING", /none of 2 places/));
  const seen = mirror.asked
    .filter(({ headers }) => headers.authorization !== undefined)
    .map(({ url, headers }) => [
      url?.replace(/manifests.*\?/, "?").replace(/manifests.*/, ""),
      Buffer.from(headers.authorization?.slice(6) ?? "", "base64").toString(),
      headers["x-key"],
      headers["x-meta-who"],
    ]);
  assert.deepEqual([...new Set(seen.map((one) => JSON.stringify(one)))].toSorted(), [
    JSON.stringify(["/base/v2/other/app/?ns=upstream.example", "all:p", "k", "me"]),
    JSON.stringify(["/base/v2/team/app/?ns=upstream.example", "team:p", "k", "me"]),
    JSON.stringify(["/v2/other/app/?ns=upstream.example", "all:p", null, "me"]),
    // Which tags there are instead.
    JSON.stringify(["/v2/other/app/tags/list?n=1000&ns=upstream.example", "all:p", null, "me"]),
    JSON.stringify(["/v2/team/app/?ns=upstream.example", "team:p", null, "me"]),
    JSON.stringify(["/v2/team/app/tags/list?n=1000&ns=upstream.example", "team:p", null, "me"]),
  ]);
});

test(
  "https goes through a proxy's tunnel, with the registry's own authority",
  { skip: noRegistry || noOpenssl },
  async () => {
    using home = new ConfigHome();
    const authority = makeAuthority(home.home, "ca");
    const certificate = makeCertificate(home.home, "server", authority, "DNS:r.example");
    await using registry = await startRegistry(undefined, { tls: { certificate } });
    const [, port = ""] = registry.host.split(":");
    home.write(`home/.config/docker/certs.d/r.example:${port}/ca.crt`, authority.certificate);
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on("connect", (request: IncomingMessage, client: Duplex) => {
      asked.push(`${request.url ?? ""} ${request.headers["proxy-authorization"] ?? ""}`);
      const upstream = connect(Number(port), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
      for (const side of [client, upstream]) side.on("error", () => [client, upstream].forEach((one) => one.destroy()));
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    try {
      const environment = { https_proxy: `u:p@127.0.0.1:${(proxy.address() as AddressInfo).port}` };
      const name = `r.example:${port}/team/app:1`;
      const digest = await pushSample(name, "tunnel", await clientOf(home, environment));
      assert.equal(await digestOf(name, await clientOf(home, environment)), digest);
      assert.deepEqual([...new Set(asked)], [`r.example:${port} Basic ${Buffer.from("u:p").toString("base64")}`]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  },
);

test("requests go through the proxy of the environment, with its login, unless NO_PROXY names the host", async () => {
  await using proxy = await listen(() => ({ status: 404 }));
  using home = new ConfigHome({ "home/.config/buildkit/buildkitd.toml": `[registry."r.example:5000"]\nhttp = true` });
  const environment = { HTTP_PROXY: `http://u:p@${proxy.host}`, NO_PROXY: ".other.example,10.0.0.0/8" };
  await assert.rejects(
    digestOf("r.example:5000/x", await clientOf(home, environment)),
    isError("INPUT_MISSING", /404/),
  );
  assert.equal(proxy.asked[0]?.url, "http://r.example:5000/v2/x/manifests/latest");
  assert.equal(proxy.asked[0]?.headers["proxy-authorization"], `Basic ${Buffer.from("u:p").toString("base64")}`);
  const count = proxy.asked.length;
  await assert.rejects(
    digestOf("r.example:5000/x", await clientOf(home, { ...environment, NO_PROXY: "r.example:5000" })),
    isError("REGISTRY", /no such host/),
  );
  assert.equal(proxy.asked.length, count);
});

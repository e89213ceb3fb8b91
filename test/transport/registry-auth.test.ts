// Who one is to a registry: docker-registry with a token server, with TLS of a private authority and client certificates;
// tokens that end, also in the middle of a push; and secrets that go nowhere else.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Credentials } from "../../builder/core/session.ts";
import { deleteManifest } from "../../builder/transport/registry/delete.ts";
import { mergeScopes } from "../../builder/transport/registry/auth/challenge.ts";
import { listTags } from "../../builder/transport/registry/tags.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import type { RegistryOptions } from "../../builder/transport/registry/client.ts";
import { makeAuthority, makeCertificate, noOpenssl, type Certificate } from "../support/certificates.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";
import { noRegistry, type RunningRegistry, startLiar, startRegistry } from "./registry-server.ts";
import { endpoint, isError, optionsFor, pull, push, routed, signal, Workbench } from "./registry-workbench.ts";
import { makeImage } from "./sample-image.ts";

const LOGIN = { username: "me", password: "s3cret" };
const IDENTITY: Credentials = { username: "<token>", password: "", identityToken: "refresh-1" };

const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

suite("a registry that wants tokens", { skip: noRegistry || noOpenssl }, () => {
  let tokens: TokenServer;
  let registry: RunningRegistry;
  before(async () => {
    const signer = makeAuthority(workbench.folder, "signer");
    const account = { ...LOGIN, identityToken: "refresh-1", service: "test", signer };
    tokens = await startTokenServer(account);
    registry = await startRegistry(undefined, { tokens: { ...tokens, service: "test", signer } });
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });

  test("is pushed to and pulled from with name and password; blobs at a time share their token", async () => {
    const [store, other] = [await workbench.newStore(), await workbench.newStore()];
    const image = await makeImage(store, [40_000, 50_000, 60_000]);
    const name = `${registry.host}/team/app:1`;
    tokens.asked.length = 0;
    await push(store, image, name, optionsFor(LOGIN));
    assert.equal(tokens.asked.length, 1);
    assert.deepEqual(tokens.asked[0]?.scopes, ["repository:team/app:pull,push"]);
    assert.equal(tokens.asked[0]?.account, "me");
    const pulled = await pull(other, name, optionsFor(LOGIN));
    assert.equal(pulled.descriptor.digest, image.manifest.digest);
    assert.equal(tokens.asked.length, 2);
    assert.deepEqual(tokens.asked[1]?.scopes, ["repository:team/app:pull"]);
  });

  test("takes an identity token in place of a password", async () => {
    const store = await workbench.newStore();
    const image = await makeImage(store, [1000]);
    tokens.asked.length = 0;
    await push(store, image, `${registry.host}/team/identity:1`, optionsFor(IDENTITY));
    const [asked] = tokens.asked;
    assert.equal(asked?.method, "POST");
    assert.deepEqual(asked.form, {
      grant_type: "refresh_token",
      refresh_token: "refresh-1",
      client_id: "tsbuild",
      scope: "repository:team/identity:pull,push",
      service: "test",
    });
    await assert.rejects(
      push(store, image, `${registry.host}/team/identity:1`, optionsFor({ ...IDENTITY, identityToken: "old" })),
      isError("REGISTRY", /refuses the token that is kept for it/),
    );
  });

  test("lists and deletes with rights for just that", async () => {
    const store = await workbench.newStore();
    const image = await makeImage(store, [1000]);
    const options = optionsFor(LOGIN);
    const name = `${registry.host}/team/gone:1`;
    await push(store, image, name, options);
    tokens.asked.length = 0;
    assert.deepEqual(await listTags(parseReference(name), options, signal), ["1"]);
    await deleteManifest(parseReference(name), options, signal);
    await assert.rejects(pull(await workbench.newStore(), name, options), isError("INPUT_MISSING", /MANIFEST_UNKNOWN/));
    assert.ok(tokens.asked.some(({ scopes }) => scopes.includes("repository:team/gone:pull,delete")));
  });

  test("lets anybody pull what is public, and says what others lack", async () => {
    const store = await workbench.newStore();
    const image = await makeImage(store, [1000]);
    await push(store, image, `${registry.host}/public/app:1`, optionsFor(LOGIN));
    await pull(await workbench.newStore(), `${registry.host}/public/app:1`, optionsFor());
    await assert.rejects(
      push(store, image, `${registry.host}/public/app:2`, optionsFor()),
      isError("REGISTRY", /wants a login, and there are no credentials for it/, /tsbuild login/),
    );
    await assert.rejects(
      push(store, image, `${registry.host}/team/app:2`, optionsFor({ ...LOGIN, password: "wr0ng" })),
      (error) =>
        isError("REGISTRY", /refuses the credentials of "me"/)(error) &&
        !String((error as Error).stack).includes("wr0ng"),
    );
    await assert.rejects(
      push(store, image, `${registry.host}/locked/app:1`, optionsFor(LOGIN)),
      isError("REGISTRY", /knows the credentials of "me", but grants no right to this/),
    );
  });

  test("may forget a token in the middle of a push: it goes on with a new one", async () => {
    const store = await workbench.newStore();
    const image = await makeImage(store, [3_000_000, 2_500_000, 70_000]);
    await using proxy = await startFaultProxy(registry.host);
    const challenge = `Bearer realm="${tokens.realm}",service="test",scope="repository:team/forgets:pull,push",error="invalid_token"`;
    const uses = new Map<string, number>();
    proxy.decide = ({ requestHeaders: { authorization = "" } }) => {
      uses.set(authorization, (uses.get(authorization) ?? 0) + 1);
      const isExpired = authorization !== "" && (uses.get(authorization) ?? 0) > 4;
      return isExpired ? { kind: "answer", status: 401, headers: { "www-authenticate": challenge } } : undefined;
    };
    await push(store, image, `${proxy.host}/team/forgets:1`, { ...optionsFor(LOGIN), chunkBytes: 1 << 20 });
    const refused = proxy.exchanges.filter(
      ({ status, requestHeaders }) => status === 401 && requestHeaders.authorization,
    );
    assert.ok(refused.some(({ method }) => method === "PATCH") && refused.length > 1, `${refused.length} refused`);
    await pull(await workbench.newStore(), `${registry.host}/team/forgets:1`, optionsFor(LOGIN));
  });
});

suite("tokens", () => {
  test("near their end are replaced before the registry refuses them", async () => {
    let [given, refusals] = [0, 0];
    await using registry = await startLiar((request, response, host) => {
      if (request.url?.startsWith("/token") === true) {
        // Good for a moment only.
        return response.end(JSON.stringify({ token: `t${++given}`, expires_in: given === 1 ? 0.2 : 300 }));
      }
      if (request.headers.authorization !== undefined)
        return response.end(`{"name":"app","tags":["${request.headers.authorization.slice(7)}"]}`);
      refusals++;
      return response.writeHead(401, { "www-authenticate": `Bearer realm="http://${host}/token"` }).end();
    });
    const { RegistryClient } = await import("../../builder/transport/registry/client.ts");
    const client = new RegistryClient(endpoint(registry.host), optionsFor(LOGIN));
    const ask = async (): Promise<string> => {
      const { body } = await client.send("GET", "tags/list", "pull", signal);
      return (await body.toArray()).join("");
    };
    assert.match(await ask(), /t1/);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match((await Promise.all([ask(), ask(), ask()])).join(), /t2.*t2.*t2/);
    assert.deepEqual([given, refusals], [2, 1]);
    client.close();
  });

  test("for the registry itself are sent as they are, but not by plain http to another machine", async () => {
    const seen: (string | undefined)[] = [];
    await using registry = await startLiar((request, response) => {
      seen.push(request.headers.authorization);
      if (request.headers.authorization === undefined)
        return response.writeHead(401, { "www-authenticate": "Bearer realm=unused" }).end();
      return response.end('{"tags":null}');
    });
    const options = optionsFor({ username: "", password: "", registryToken: "abc" });
    assert.deepEqual(await listTags({ registry: registry.host, repository: "app" }, options, signal), []);
    assert.deepEqual(seen, [undefined, "Bearer abc"]);
  });

  test("that no header can hold, or that are none, are no tokens", async () => {
    for (const body of ['{"token":"a\\nb"}', "<html>", "{}", '{"token":7}', "[]"]) {
      await using registry = await startLiar((request, response, host) =>
        request.url?.startsWith("/token") === true
          ? response.end(body)
          : response.writeHead(401, { "www-authenticate": `Bearer realm="http://${host}/token"` }).end(),
      );
      await assert.rejects(
        listTags({ registry: registry.host, repository: "app" }, optionsFor(LOGIN), signal),
        isError("REGISTRY", /gave no token for/),
        body,
      );
    }
  });

  test("are asked for all that is wanted of one repository at once", () => {
    assert.equal(
      mergeScopes("repository:a:pull repository:b:pull", "repository:a:pull,push", "registry:catalog:*"),
      "repository:a:pull,push repository:b:pull registry:catalog:*",
    );
    assert.equal(mergeScopes("repository:a:pull", ""), "repository:a:pull");
  });
});

suite("a redirect", () => {
  const options = (headers: Record<string, string>, registry: string): RegistryOptions =>
    optionsFor(LOGIN, routed(endpoint(registry, { headers })));

  test("takes neither password nor own headers to another port, and both along on the same one", async () => {
    const elsewhere: Record<string, unknown>[] = [];
    await using other = await startLiar((request, response) => {
      elsewhere.push({ ...request.headers });
      response.end('{"tags":["away"]}');
    });
    const here: Record<string, unknown>[] = [];
    await using registry = await startLiar((request, response, host) => {
      if (request.headers.authorization === undefined)
        return response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
      here.push({ ...request.headers });
      if (request.url?.includes("/tags/list") === true) return response.writeHead(307, { location: "/moved" }).end();
      return response.writeHead(302, { location: `http://${other.host}/x`, "x-host": host }).end();
    });
    const list = listTags({ registry: registry.host, repository: "app" }, options({ "X-Team": "blue", Cookie: "c" }, registry.host), signal); // prettier-ignore
    assert.deepEqual(await list, ["away"]);
    assert.deepEqual(here.map((headers) => [typeof headers["authorization"], headers["x-team"]]), [["string", "blue"], ["string", "blue"]]); // prettier-ignore
    assert.equal(elsewhere.length, 1);
    const [away] = elsewhere;
    assert.deepEqual([away?.["authorization"], away?.["x-team"], away?.["cookie"]], [undefined, undefined, undefined]);
    assert.equal(away?.["user-agent"], "tsbuild");
  });
});

suite("a registry with certificates of a private authority", { skip: noRegistry || noOpenssl }, () => {
  let authority: Certificate;
  let client: Certificate;
  let registry: RunningRegistry;
  before(async () => {
    authority = makeAuthority(workbench.folder, "authority");
    client = makeCertificate(workbench.folder, "client", authority);
    const certificate = makeCertificate(workbench.folder, "server", authority);
    registry = await startRegistry(LOGIN, { tls: { certificate, clients: authority } });
  });
  after(() => registry[Symbol.asyncDispose]());

  test("is used by whoever has both, and nobody else", async () => {
    const store = await workbench.newStore();
    const image = await makeImage(store, [100_000, 3_000_001]);
    const name = `${registry.host}/app:1`;
    const own = { certificate: client.certificate, key: client.key };
    const through = (tls: object): RegistryOptions =>
      optionsFor(LOGIN, routed(endpoint(registry.host, { tls: { isUnchecked: false, ...tls } })));
    await assert.rejects(
      push(store, image, name, through(own)),
      isError(
        "REGISTRY",
        /cannot reach .*(self.signed|issuer|verify)/,
        /authority goes to \S+ca.crt; .*name it as an insecure registry/,
      ),
    );
    await assert.rejects(
      push(store, image, name, through({ ca: [authority.certificate] })),
      isError("REGISTRY", /cannot reach/, /want a client certificate/),
    );
    await push(store, image, name, through({ ca: [authority.certificate], ...own }));
    await pull(await workbench.newStore(), name, through({ isUnchecked: true, ...own }));
    await assert.rejects(
      pull(await workbench.newStore(), name, through({ ca: ["no certificate"], ...own })),
      isError("CONFIG", /the certificates or the key for "127.0.0.1:\d+" cannot be used/),
    );
    await assert.rejects(
      pull(await workbench.newStore(), name, through({ ...own, key: authority.key })),
      (error) => isError("CONFIG", /cannot be used/)(error) && !String((error as Error).stack).includes("PRIVATE"),
    );
  });

  test("does not lead to plain http", async () => {
    const certificate = makeCertificate(workbench.folder, "leads", authority);
    await using plain = await startLiar((_request, response) => response.end('{"tags":["plain"]}'));
    const https = await import("node:https");
    const server = https.createServer({ cert: certificate.certificate, key: certificate.key }, (_request, response) =>
      response.writeHead(302, { location: `http://registry.example/x?${plain.host}` }).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as { port: number }).port}`;
    const tls = { isUnchecked: false, ca: [authority.certificate] };
    await assert.rejects(
      listTags({ registry: host, repository: "app" }, optionsFor(LOGIN, routed(endpoint(host, { tls }))), signal),
      isError("REGISTRY", /redirects from https to plain http \("registry.example"\)/),
    );
    server.closeAllConnections();
    server.close();
  });
});

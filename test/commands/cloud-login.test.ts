// Logins to the registries of clouds: which registry is whose, and the exchange that each one documents.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { CloudLogins } from "../../builder/cloud.ts";
import type { Credentials } from "../../builder/core/session.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { EXECUTOR_FLAGS } from "../../src/cli/flags/executor-flags.ts";
import { cloudHelpers, withCloudLogins } from "../../src/commands/executor/cloud-login.ts";
import { CLOUD_HELPERS, registryWay } from "../../src/config/cloud/registry-ways.ts";
import { CredentialFiles } from "../../src/config/credentials/credentials.ts";
import type { Environment } from "../../src/config/environment.ts";
import { configFolders } from "../../src/config/files/folders.ts";
import { signatureFault } from "../support/cloud/aws-signature.ts";
import { listenOnLoopback, type LoopbackServer } from "../support/loopback.ts";
import { isError, signal } from "../transport/registry-workbench.ts";

const KEYS = { accessKeyId: "AKID", secretAccessKey: "the secret key" };
const AWS = { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey };
const ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/** ECR's and ACR's exchanges as they are recorded in their documentation, with what they demand. */
async function answer(request: IncomingMessage, response: ServerResponse, asked: string[]): Promise<void> {
  const { method = "GET", url: target = "/", headers } = request;
  const body = await buffer(request);
  const give = (value: object): void => void response.end(JSON.stringify(value));
  const refuse = (why: string): void => void response.writeHead(400).end(JSON.stringify({ __type: "Refused", message: why })); // prettier-ignore
  const action = String(headers["x-amz-target"] ?? new URL(target, "http://x").pathname);
  asked.push(action);
  switch (action) {
    case "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken":
    case "SpencerFrontendService.GetAuthorizationToken": {
      const isPublic = action.startsWith("Spencer");
      const scope = isPublic ? { service: "ecr-public", region: "us-east-1" } : { service: "ecr", region: "eu-west-1" };
      const why = signatureFault({ method, target, headers, body }, { ...KEYS, ...scope, nowMs: Date.now() });
      if (why !== undefined || body.toString() !== "{}") return refuse(why ?? "body");
      const authorizationToken = Buffer.from(`AWS:password:of ${scope.service}`).toString("base64");
      const data = { authorizationToken, expiresAt: Date.now() / 1000 + 43_200 };
      return give({ authorizationData: isPublic ? data : [{ ...data, proxyEndpoint: `https://${ECR}` }] });
    }
    case "/tenant/oauth2/v2.0/token": {
      const form = new URLSearchParams(body.toString());
      const isRight =
        form.get("client_assertion") === "the pod's token" &&
        form.get("scope") === "https://containerregistry.azure.net/.default";
      return isRight ? give({ access_token: "aad", expires_in: 3600 }) : refuse("AADSTS70021");
    }
    case "/oauth2/exchange": {
      const form = new URLSearchParams(body.toString());
      const isRight =
        form.get("grant_type") === "access_token" &&
        form.get("service") === "team.azurecr.io" &&
        form.get("tenant") === "tenant" &&
        form.get("access_token") === "aad";
      return isRight ? give({ refresh_token: "the refresh token" }) : refuse("UNAUTHORIZED");
    }
  }
  response.writeHead(404).end();
}

suite("a login to a cloud's registry", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-cloud-login-"));
  const asked: string[] = [];
  let server: LoopbackServer;
  before(async () => {
    server = await listenOnLoopback(
      createServer((request, response) => {
        answer(request, response, asked).catch((error: unknown) => response.writeHead(500).end(String(error)));
      }),
    );
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const login = async (registry: string, environment: Environment): Promise<Credentials | undefined> => {
    const own = { HOME: folder, AWS_EC2_METADATA_DISABLED: "true", GCE_METADATA_HOST: "127.0.0.1:1", ...environment };
    await using logins = new CloudLogins(async (name) => {
      const way = await registryWay(name, own, CLOUD_HELPERS);
      return way?.kind === "acr" ? { ...way, origin: server.url } : way;
    }, new Map());
    return await logins.credentials(registry, signal);
  };

  test("is ECR's authorization token, signed for", async () => {
    const environment = { ...AWS, AWS_ENDPOINT_URL_ECR: server.url, AWS_ENDPOINT_URL_ECR_PUBLIC: server.url };
    assert.deepEqual(await login(ECR, environment), { username: "AWS", password: "password:of ecr" });
    assert.deepEqual(await login("public.ecr.aws", environment), { username: "AWS", password: "password:of ecr-public" }); // prettier-ignore
    await assert.rejects(
      login(ECR, { ...environment, AWS_SECRET_ACCESS_KEY: "wrong" }),
      isError("REGISTRY", /cannot log in to ECR in eu-west-1: .*HTTP 400.*SignatureDoesNotMatch/),
    );
    await assert.rejects(login(ECR, {}), isError("CONFIG", /no AWS credentials/));
    assert.equal(await login("public.ecr.aws", {}), undefined, "anybody may pull there");
  });

  test("is asked for once as long as it holds", async () => {
    const environment = { ...AWS, AWS_ENDPOINT_URL_ECR: server.url };
    await using logins = new CloudLogins(async (name) => await registryWay(name, environment, ["ecr"]), new Map());
    asked.length = 0;
    await Promise.all([logins.credentials(ECR, signal), logins.credentials(ECR, signal)]);
    await logins.credentials(ECR, signal);
    assert.equal(asked.length, 1);
  });

  test("is ACR's refresh token for the token of a workload", async () => {
    const token = join(folder, "token");
    writeFileSync(token, "the pod's token");
    const environment = {
      AZURE_TENANT_ID: "tenant",
      AZURE_CLIENT_ID: "client",
      AZURE_FEDERATED_TOKEN_FILE: token,
      AZURE_AUTHORITY_HOST: server.url,
    };
    const found = await login("team.azurecr.io", environment);
    assert.deepEqual(found, { username: "00000000-0000-0000-0000-000000000000", password: "the refresh token" });
    await assert.rejects(
      login("other.azurecr.io", environment),
      isError("REGISTRY", /cannot log in to "other.azurecr.io".*HTTP 400/),
    );
  });

  test("is what the environment holds for GitHub, GitLab, or a name", async () => {
    const cases: readonly (readonly [
      registry: string,
      environment: Environment,
      username: string,
      password: string,
    ])[] = [
      ["ghcr.io", { GITHUB_TOKEN: "t", GITHUB_ACTOR: "me" }, "me", "t"],
      [
        "registry.gitlab.example",
        { CI_REGISTRY: "registry.gitlab.example", CI_JOB_TOKEN: "j" },
        "gitlab-ci-token",
        "j",
      ],
      ["hub.my-team.example:5000", { DOCKER_my__team_example_USR: "u", DOCKER_my__team_example_PSW: "p" }, "u", "p"],
    ];
    for (const [registry, environment, username, password] of cases)
      assert.deepEqual(await login(registry, environment), { username, password });
    const everything = { ...AWS, GITHUB_TOKEN: "t", CI_REGISTRY: "registry.gitlab.example", CI_JOB_TOKEN: "j" };
    const nobodys = [
      "docker.io",
      "gcr.io.example",
      "notgcr.io",
      "evil-ghcr.io",
      `${ECR}.example`,
      "x.azurecr.io.example",
    ];
    for (const registry of nobodys) assert.equal(await login(registry, everything), undefined, registry);
    for (const registry of ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev"])
      assert.equal((await registryWay(registry, {}, CLOUD_HELPERS))?.kind, "google", registry);
  });

  test("comes after what a configuration file has, and in place of a helper that is not installed", async () => {
    writeFileSync(
      join(folder, "config.json"),
      JSON.stringify({
        auths: { "ghcr.io": { auth: Buffer.from("file:own").toString("base64") } },
        credsStore: "ecr-login",
      }),
    );
    const environment = { HOME: folder, DOCKER_CONFIG: folder, PATH: folder, GITHUB_TOKEN: "t", ...AWS, AWS_ENDPOINT_URL_ECR: server.url }; // prettier-ignore
    const files = new CredentialFiles({ environment, folders: configFolders(environment) });
    const session = {
      secret: async () => undefined,
      sshAgent: async () => undefined,
      credentials: (registry: string) => files.find(registry),
    };
    const own = withCloudLogins(session, environment, CLOUD_HELPERS, signal);
    assert.equal((await own.credentials(ECR))?.password, "password:of ecr");
    await assert.rejects(own.credentials("quay.io"), isError("CONFIG", /docker-credential-ecr-login/));
    assert.equal(withCloudLogins(session, environment, [], signal), session);
  });

  test("is looked for where --credential-helpers says", () => {
    const helpers = (...words: readonly string[]): readonly string[] =>
      cloudHelpers(parseArguments(EXECUTOR_FLAGS, words));
    assert.deepEqual(helpers(), CLOUD_HELPERS);
    assert.deepEqual(helpers("--credential-helpers="), []);
    assert.deepEqual(helpers("--credential-helpers=ecr", "--credential-helpers", "acr"), ["ecr", "acr"]);
    assert.throws(() => helpers("--credential-helpers=ibm"), isError("USAGE", /"ibm" is none of/));
  });
});

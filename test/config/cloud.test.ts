// Who we are to a cloud: in the SDKs' order, from the environment, from files, or from the services that know it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { AwsLogin, fetchCredentials } from "../../builder/transport/cloud/aws-credentials.ts";
import { AzureLogin, fetchAzureToken } from "../../builder/transport/cloud/azure-credentials.ts";
import { HttpClient } from "../../builder/transport/registry/http/http.ts";
import { awsSettings } from "../../src/config/cloud/aws.ts";
import { azureWay } from "../../src/config/cloud/azure.ts";
import type { IdentityStandin } from "../support/cloud/identity-standin.ts";
import { startIdentityStandin } from "../support/cloud/identity-standin.ts";

const HOUR = 3_600_000;
const BASE = { accessKeyId: "BASE", secretAccessKey: "base/secret" };
const signal = AbortSignal.timeout(60_000);

suite("credentials for clouds", () => {
  let folder = "";
  let service: IdentityStandin;
  const http = new HttpClient({ allowsPlain: () => true });

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "cloud-"));
    file("token", "machine-token\n");
    service = await startIdentityStandin({ aws: BASE, token: "machine-token", secret: "app-secret", lifetimeMs: HOUR });
  });
  after(async () => {
    http.close();
    await service[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  function file(name: string, text: string): string {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** The id of the key that an environment leads to. */
  async function keyIn(environment: Readonly<Record<string, string>>): Promise<string> {
    const { way } = await awsSettings({
      HOME: folder,
      AWS_REGION: "eu-north-1",
      AWS_ENDPOINT_URL_STS: `${service.url}/sts/`,
      ...environment,
    });
    return (await fetchCredentials(way, http, signal)).accessKeyId;
  }

  test("AWS: the environment's keys, its token, the profile, the container, the instance, in this order", async () => {
    file(
      "files/config",
      "[default]\nregion = us-west-2\n[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = base\n" +
        "[profile token]\nrole_arn=arn:y\nweb_identity_token_file=" + join(folder, "token") + "\n[profile sso]\nsso_start_url = x\n" +
        "[profile loop]\nrole_arn=a\nsource_profile=loop2\n[profile loop2]\nrole_arn=a\nsource_profile=loop\n",
    ); // prettier-ignore
    file("files/credentials", `[base]\naws_access_key_id = ${BASE.accessKeyId}\n# a comment\naws_secret_access_key=${BASE.secretAccessKey}\n[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=x`); // prettier-ignore
    const files = { AWS_CONFIG_FILE: join(folder, "files/config"), AWS_SHARED_CREDENTIALS_FILE: join(folder, "files/credentials") }; // prettier-ignore
    const token = { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "token"), AWS_ROLE_ARN: "arn:z" };
    const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/container`, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, "token") }; // prettier-ignore
    const instance = { AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url };
    const all = { ...files, ...token, ...container, ...instance };
    assert.equal(await keyIn({ ...all, AWS_ACCESS_KEY_ID: "ENV", AWS_SECRET_ACCESS_KEY: "x" }), "ENV");
    assert.equal(await keyIn(all), "of-AssumeRoleWithWebIdentity");
    assert.equal(await keyIn({ ...files, ...container }), "DEFAULT");
    assert.equal(await keyIn({ ...files, AWS_PROFILE: "role" }), "of-AssumeRole");
    assert.equal(await keyIn({ ...files, AWS_PROFILE: "token" }), "of-AssumeRoleWithWebIdentity");
    assert.equal(await keyIn(container), "of-service");
    assert.equal(await keyIn(instance), "of-service");
    assert.deepEqual(service.asked.slice(-3), [
      "instance /latest/api/token",
      "instance /latest/meta-data/iam/security-credentials/",
      "instance /latest/meta-data/iam/security-credentials/the%20role",
    ]);
    assert.equal((await awsSettings(files)).region, "us-west-2");
    await assert.rejects(keyIn({ ...files, AWS_PROFILE: "sso" }), /sso_start_url/);
    await assert.rejects(keyIn({ ...files, AWS_PROFILE: "gone" }), /no AWS profile "gone"/);
    await assert.rejects(keyIn({ ...files, AWS_PROFILE: "loop" }), /stands on itself/);
    await assert.rejects(keyIn({ AWS_EC2_METADATA_DISABLED: "true" }), /there are no AWS credentials/);
    await assert.rejects(keyIn({ AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://elsewhere.example/x" }), /neither https/);
    await assert.rejects(keyIn({ ...token, AWS_WEB_IDENTITY_TOKEN_FILE: file("other", "wrong") }), /"arn:z".*AccessDenied/); // prettier-ignore
  });

  test("AWS: credentials are asked for once, and again before they end", async () => {
    const way = { kind: "container", url: `${service.url}/container`, token: "machine-token" } as const;
    const login = new AwsLogin(way, http);
    const before = service.asked.length;
    await login.credentials(signal);
    await login.credentials(signal);
    assert.equal(service.asked.length, before + 1);
    await using brief = await startIdentityStandin({ token: "machine-token", secret: "", lifetimeMs: 1000 });
    const ending = new AwsLogin({ ...way, url: `${brief.url}/container` }, http);
    await ending.credentials(signal);
    await ending.credentials(signal);
    assert.equal(brief.asked.length, 2);
  });

  test("Azure: an application's secret, a workload's token, the machine's own identity", async () => {
    const application = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "app", AZURE_AUTHORITY_HOST: service.url };
    const machine = { AZURE_POD_IDENTITY_AUTHORITY_HOST: service.url };
    const resource = "https://storage.azure.com";
    const tokenIn = async (environment: Readonly<Record<string, string>>): Promise<string> =>
      (await fetchAzureToken(azureWay(environment), resource, http, signal)).text;
    assert.equal(await tokenIn({ ...application, AZURE_CLIENT_SECRET: "app-secret" }), `for ${resource}/.default`);
    const tokenFile = join(folder, "token");
    assert.equal(await tokenIn({ ...application, AZURE_FEDERATED_TOKEN_FILE: tokenFile }), `for ${resource}/.default`);
    assert.equal(await tokenIn(machine), `for ${resource}`);
    const wrong = tokenIn({ ...application, AZURE_CLIENT_SECRET: "wrong-secret" });
    await assert.rejects(wrong, (error: Error) => {
      assert.match(error.message, /cannot log in to Azure as "app".*HTTP 401: invalid_client: AADSTS7000215/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
    const login = new AzureLogin(azureWay(machine), resource, http);
    const before = service.asked.length;
    await login.token(signal);
    await login.token(signal);
    assert.equal(service.asked.length, before + 1);
  });
});

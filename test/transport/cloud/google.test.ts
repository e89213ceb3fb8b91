// Who a pod is to Google, and an archive in a bucket of it.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { openCloudObject } from "../../../builder/cloud.ts";
import { collect } from "../../../builder/transport/source.ts";
import type { Environment } from "../../../src/config/environment.ts";
import { cloudContext } from "../../../src/commands/executor/cloud-context.ts";
import { type GoogleStandin, startGoogleStandin } from "../../support/cloud/google-standin.ts";
import { isError, signal } from "../registry-workbench.ts";

const BYTES = Buffer.from("the archive");
const AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster";

suite("an object of Google's is read", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-google-"));
  let google: GoogleStandin;
  before(async () => {
    google = await startGoogleStandin({
      email: "builder@project.iam.gserviceaccount.com",
      publicKey: String(publicKey.export({ type: "spki", format: "pem" })),
      subjectToken: "what the cluster says",
      audience: AUDIENCE,
      refreshToken: "the refresh token",
    });
    google.objects.set("bucket/some folder/context.tar", BYTES);
    google.objects.set("bucket/context.tar.gz", BYTES);
  });
  after(async () => {
    await google[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (name: string, content: object): string => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const account = (more: object = {}): string =>
    write("account.json", {
      type: "service_account",
      client_email: "builder@project.iam.gserviceaccount.com",
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      private_key_id: "1",
      token_uri: `${google.url}/token`,
      ...more,
    });
  const read = async (url: string, environment: Environment): Promise<Uint8Array> => {
    const own = { HOME: folder, CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: google.url, ...environment };
    google.asked.length = 0;
    return await collect(openCloudObject(await cloudContext(url, own), new Map(), signal), 1000, "it");
  };
  const URL_OF_IT = "gs://bucket/some folder/context.tar";

  test("with the key of a service account", async () => {
    assert.deepEqual(await read(URL_OF_IT, { GOOGLE_APPLICATION_CREDENTIALS: account() }), BYTES);
    assert.deepEqual(google.asked, ["jwt", "object"]);
    assert.deepEqual(await read("gs://bucket", { GOOGLE_APPLICATION_CREDENTIALS: account() }), BYTES);
  });

  test("with an identity that Google trusts, as itself or as an account", async () => {
    const token = join(folder, "token");
    writeFileSync(token, "what the cluster says\n");
    const federation = (more: object): Environment => ({
      GOOGLE_APPLICATION_CREDENTIALS: write("federated.json", {
        type: "external_account",
        audience: AUDIENCE,
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        token_url: `${google.url}/v1/token`,
        credential_source: { file: token },
        ...more,
      }),
    });
    assert.deepEqual(await read(URL_OF_IT, federation({})), BYTES);
    assert.deepEqual(google.asked, ["federated", "object"]);
    write("token.json", { id_token: "what the cluster says" });
    const source = {
      file: join(folder, "token.json"),
      format: { type: "json", subject_token_field_name: "id_token" },
    };
    const impersonation = `${google.url}/v1/projects/-/serviceAccounts/a@b:generateAccessToken`;
    const more = { credential_source: source, service_account_impersonation_url: impersonation };
    assert.deepEqual(await read(URL_OF_IT, federation(more)), BYTES);
    assert.deepEqual(google.asked, ["federated", "impersonated", "object"]);
    const aws = { credential_source: { environment_id: "aws1" } };
    await assert.rejects(read(URL_OF_IT, federation(aws)), isError("CONFIG", /neither a file nor a URL/, /AWS/));
  });

  test("as the machine's account, as who gcloud logged in, or as nobody", async () => {
    assert.deepEqual(await read(URL_OF_IT, { GCE_METADATA_HOST: new URL(google.url).host }), BYTES);
    assert.deepEqual(google.asked, ["machine", "object"]);
    mkdirSync(join(folder, "gcloud"));
    write("gcloud/application_default_credentials.json", {
      type: "authorized_user",
      client_id: "id",
      client_secret: "secret",
      refresh_token: "the refresh token",
      token_uri: `${google.url}/token`,
    });
    assert.deepEqual(await read(URL_OF_IT, { CLOUDSDK_CONFIG: join(folder, "gcloud") }), BYTES);
    assert.deepEqual(google.asked, ["person", "object"]);
    const nobody = { GCE_METADATA_HOST: "127.0.0.1:1" };
    await assert.rejects(read(URL_OF_IT, nobody), isError("REGISTRY", /HTTP 401.*Anonymous caller/, /as nobody/));
  });

  test("or the reason is told, and nothing of the credentials", async () => {
    const missing = { GOOGLE_APPLICATION_CREDENTIALS: account() };
    await assert.rejects(read("gs://bucket/nope", missing), isError("INPUT_MISSING", /no "nope" in gs:\/\/bucket/));
    const { privateKey: other } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const wrong = account({ private_key: other.export({ type: "pkcs8", format: "pem" }) });
    await assert.rejects(
      read(URL_OF_IT, { GOOGLE_APPLICATION_CREDENTIALS: wrong }),
      isError("REGISTRY", /cannot log in to Google as "builder@.*HTTP 400.*Invalid JWT Signature/),
    );
    const broken = account({ private_key: "-----BEGIN PRIVATE KEY-----\nhush\n" });
    await assert.rejects(
      read(URL_OF_IT, { GOOGLE_APPLICATION_CREDENTIALS: broken }),
      (error: Error) => /private key .* is none/.test(error.message) && !error.message.includes("hush"),
    );
    await assert.rejects(
      read(URL_OF_IT, { GOOGLE_APPLICATION_CREDENTIALS: join(folder, "nowhere") }),
      isError("CONFIG", /there is no file/, /GOOGLE_APPLICATION_CREDENTIALS/),
    );
    await assert.rejects(
      read(URL_OF_IT, { GOOGLE_APPLICATION_CREDENTIALS: write("odd.json", { type: "odd", secret: "hush" }) }),
      (error: Error) => /no credentials of Google's/.test(error.message) && !error.message.includes("hush"),
    );
  });
});

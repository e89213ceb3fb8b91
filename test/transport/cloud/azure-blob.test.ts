// Azure's blob storage: whole blobs, blocks, ranges, each way to prove who asks.

import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import type { AzureProof } from "../../../builder/transport/cloud/azure-blob.ts";
import { AzureBlobs } from "../../../builder/transport/cloud/azure-blob.ts";
import { AzureLogin } from "../../../builder/transport/cloud/azure-credentials.ts";
import { HttpClient } from "../../../builder/transport/registry/http/http.ts";
import { startAzureStandin } from "../../support/cloud/azure-standin.ts";
import { startIdentityStandin } from "../../support/cloud/identity-standin.ts";

const ACCOUNT = "devstore";
const KEY = Buffer.from("the key of a test").toString("base64");
const signal = AbortSignal.timeout(60_000);
const BLOCK = 1000;

suite("blobs of Azure's storage", () => {
  const http = new HttpClient({ allowsPlain: () => true });
  const bytesOf = (bytes: Buffer) => ({
    sizeBytes: bytes.length,
    open: async function* () {
      for (let at = 0; at < bytes.length; at += 333) yield bytes.subarray(at, at + 333);
    },
  });

  test("the key's signature, a login and a shared access signature are ways to the same blobs", async () => {
    await using identity = await startIdentityStandin({ token: "t", secret: "s", lifetimeMs: 3_600_000 });
    const resource = "https://storage.azure.com";
    await using server = await startAzureStandin({
      account: ACCOUNT,
      key: KEY,
      token: `for ${resource}`,
      sig: "s/i+g=",
    });
    const login = new AzureLogin({ kind: "machine", endpoint: identity.url }, resource, http);
    const proofs: readonly AzureProof[] = [
      { kind: "key", key: { account: ACCOUNT, key: KEY } },
      { kind: "login", login },
      { kind: "url" },
    ];
    for (const [at, proof] of proofs.entries()) {
      const blobs = new AzureBlobs(http, proof, BLOCK);
      const query = proof.kind === "url" ? `?sv=2021&sig=${encodeURIComponent("s/i+g=")}` : "";
      const urlOf = (name: string): URL => new URL(`${server.url}/cache${name}${query}`);
      await blobs.ensureContainer(urlOf(""), signal);
      const url = urlOf(`/${at}/sha256%3A0a%20%2B`);
      assert.equal(await blobs.has(url, signal), false);
      assert.equal(await blobs.read(url, 10, signal), undefined);
      await blobs.put(url, bytesOf(Buffer.from("small")), { isNew: true }, signal);
      await blobs.put(url, bytesOf(Buffer.from("other")), { isNew: true }, signal);
      assert.equal(String(await blobs.read(url, 10, signal)), "small");
      const large = Buffer.alloc(2 * BLOCK + 5, "0123456789!");
      await blobs.put(url, bytesOf(large), { isNew: false }, signal);
      assert.equal(await blobs.has(url, signal), true);
      assert.ok(server.blobs.get(`cache/${at}/sha256:0a +`)?.equals(large));
      assert.ok((await buffer(blobs.open(url, 1999, signal))).equals(large.subarray(1999)));
    }
    assert.equal(server.asked.filter((one) => one.endsWith("comp=block")).length, 9);
  });

  test("a refusal says what was asked of whom, without a key", async () => {
    await using server = await startAzureStandin({ account: ACCOUNT, key: KEY, sig: "right" });
    const wrong = Buffer.from("another key").toString("base64");
    const blobs = new AzureBlobs(http, { kind: "key", key: { account: ACCOUNT, key: wrong } });
    await assert.rejects(blobs.read(new URL(`${server.url}/c/x`), 10, signal), /cannot read the blob "http:.*\/devstore\/c\/x": HTTP 403: AuthenticationFailed/); // prettier-ignore
    const url = new URL(`${server.url}/c/x?sig=very-secret`);
    await assert.rejects(new AzureBlobs(http, { kind: "url" }).read(url, 10, signal), (error: Error) => !/very-secret/.test(error.message)); // prettier-ignore
    const noKey = new AzureBlobs(http, { kind: "key", key: { account: ACCOUNT, key: "?" } });
    await assert.rejects(noKey.read(url, 10, signal), /is not base64/);
  });
});

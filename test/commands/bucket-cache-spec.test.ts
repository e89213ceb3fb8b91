// The attributes of --cache-from/--cache-to type=gha, s3 and azblob: honoured, taken from the environment, or refused by
// name.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { parseCacheFrom, parseCacheTo } from "../../src/commands/build/cache-spec.ts";

const KEYS = "access_key_id=AK,secret_access_key=SK";
const NOWHERE = { HOME: "/nonexistent" };

suite("caches in buckets, as they are written", () => {
  test("type=s3: every attribute has its place", async () => {
    const words = `type=s3,bucket=b,region=r,${KEYS},session_token=ST,name=x;y,prefix=p/,blobs_prefix=bl/,manifests_prefix=,endpoint_url=http://e:9,use_path_style=true,touch_refresh=1h30m,upload_parallelism=7,retry_mode=standard,retry_max_attempts=2,disable_accept_encoding=true,mode=max,mounts=max,ignore-error=false`; // prettier-ignore
    assert.deepEqual((await parseCacheTo(words, NOWHERE)).cache, {
      type: "s3",
      place: { bucket: "b", region: "r", endpoint: "http://e:9", usePathStyle: true },
      way: { kind: "keys", credentials: { accessKeyId: "AK", secretAccessKey: "SK", sessionToken: "ST" } },
      manifestsPrefix: "p/",
      blobsPrefix: "p/bl/",
      names: ["x", "y"],
      touchMs: 5_400_000,
      retries: 1,
      mode: "max",
      mounts: "max",
      ignoreError: false,
      layersAtOnce: 7,
    });
  });

  test("type=s3: the environment says what is not written", async () => {
    const environment = { ...NOWHERE, AWS_BUCKET: "eb", AWS_REGION: "er", AWS_ENDPOINT_URL: "http://ee", AWS_ACCESS_KEY_ID: "EK", AWS_SECRET_ACCESS_KEY: "ES" }; // prettier-ignore
    assert.deepEqual((await parseCacheFrom("type=s3", environment)).cache, {
      type: "s3",
      place: { bucket: "eb", region: "er", endpoint: "http://ee", usePathStyle: false },
      way: { kind: "keys", credentials: { accessKeyId: "EK", secretAccessKey: "ES" } },
      manifestsPrefix: "manifests/",
      blobsPrefix: "blobs/",
      names: ["buildkit"],
      touchMs: 86_400_000,
    });
  });

  test("type=azblob: every attribute has its place, and a URL may be its own key", async () => {
    const url = "https://acc.blob.core.windows.net";
    const words = `type=azblob,account_url=${url},account_name=other,secret_access_key=a2V5,container=c,name=n,prefix=/p/,blobs_prefix=bl/,manifests_prefix=m`; // prettier-ignore
    assert.deepEqual((await parseCacheFrom(words, {})).cache, {
      type: "azblob",
      accountUrl: url,
      container: "c",
      login: { kind: "key", key: { account: "other", key: "a2V5" } },
      manifestsPrefix: "p/m",
      blobsPrefix: "p/bl",
      names: ["n"],
    });
    const environment = { BUILDKIT_AZURE_STORAGE_ACCOUNT_URL: `${url}/?sv=1&sig=x`, BUILDKIT_AZURE_STORAGE_CONTAINER: "ec", BUILDKIT_AZURE_STORAGE_PREFIX: "ep" }; // prettier-ignore
    assert.deepEqual((await parseCacheFrom("type=azblob", environment)).cache, {
      type: "azblob",
      accountUrl: `${url}/?sv=1&sig=x`,
      container: "ec",
      login: { kind: "url" },
      manifestsPrefix: "ep/manifests",
      blobsPrefix: "ep/blobs",
      names: ["buildkit"],
    });
  });

  test("type=gha: which service is asked, as buildx and BuildKit choose it", async () => {
    const chosen = async (words: string, environment = {}): Promise<unknown> => {
      const { cache } = await parseCacheFrom(`type=gha${words}`, environment);
      return cache.type === "gha" ? [cache.version, cache.url] : undefined;
    };
    const both = { ACTIONS_CACHE_URL: "http://one/", ACTIONS_RESULTS_URL: "http://two/" };
    assert.deepEqual(await chosen("", both), [1, "http://one/"]);
    assert.deepEqual(await chosen("", { ...both, ACTIONS_CACHE_SERVICE_V2: "true" }), [2, "http://two/"]);
    assert.deepEqual(await chosen(",version=2", both), [2, "http://two/"]);
    assert.deepEqual(await chosen(",version=1", { ...both, ACTIONS_CACHE_SERVICE_V2: "true" }), [1, "http://one/"]);
    assert.deepEqual(await chosen(",url=http://a/,url_v2=http://b/"), [2, "http://b/"]);
    assert.deepEqual(await chosen(",version=1,url=http://a/,url_v2=http://b/"), [1, "http://a/"]);
    const own = "https://results-receiver.actions.githubusercontent.com/";
    assert.deepEqual(await chosen("", { ACTIONS_RESULTS_URL: own }), [2, own]);
    const { cache } = await parseCacheTo(
      "type=gha,token=t,url=http://a,scope=s,timeout=2m,repository=o/n,ghtoken=g",
      {},
    );
    assert.deepEqual(cache, {
      type: "gha",
      url: "http://a",
      version: 1,
      token: "t",
      scope: "s",
      timeoutMs: 120_000,
      repository: { api: "https://api.github.com", name: "o/n", token: "g" },
      mode: "min",
      mounts: "none",
      ignoreError: true,
      layersAtOnce: 4,
    });
  });

  test("what is not understood is refused by name", async () => {
    const refusals: readonly (readonly [string, RegExp])[] = [
      ["type=registry", /^--cache-to: type=registry needs ref=/],
      ["type=s3", /type=s3 needs bucket=/],
      ["type=s3,bucket=b", /type=s3 needs region=/],
      ["type=s3,bucket=b,region=r,access_key_id=x", /belong together/],
      [`type=s3,bucket=b,region=r,${KEYS},retry_mode=adaptive`, /retry_mode=adaptive is not supported/],
      [`type=s3,bucket=b,region=r,${KEYS},retry_mode=none`, /retry_mode="none" is none of/],
      [`type=s3,bucket=b,region=r,${KEYS},upload_parallelism=0`, /upload_parallelism="0"/],
      [`type=s3,bucket=b,region=r,${KEYS},endpoint_url=nowhere`, /"nowhere" is no URL/],
      ["type=s3,bucket=b,regoin=r", /"regoin" is no attribute of type=s3 here/],
      ["type=gha,version=3", /version="3" is none of 1, 2/],
      ["type=gha,timeout=soon", /invalid duration "soon"/],
      ["type=gha,url=nowhere", /"nowhere" is no URL/],
      ["type=gha,mounts=min", /mounts="min" is none of none, max/],
      ["type=gha,compression=zstd", /"compression" is no attribute of type=gha/],
      ["type=azblob", /type=azblob needs account_url=/],
      ["type=azblob,account_url=nowhere", /account_url is no URL/],
      ["type=azblob,account_url=https://a.b,name=;", /name= names nothing/],
    ];
    for (const [words, message] of refusals)
      await assert.rejects(parseCacheTo(words, NOWHERE), (error) => error instanceof BuildError && error.code !== "INTERNAL" && message.test(error.message), words); // prettier-ignore
  });
});

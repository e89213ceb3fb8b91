// A job's context in a cloud's store, read with what a pod has to prove who it is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openCloudObject } from "../../builder/cloud.ts";
import { collect } from "../../builder/transport/source.ts";
import { cloudContext } from "../../src/commands/executor/cloud-context.ts";
import type { Environment } from "../../src/config/environment.ts";
import { Running, Workshop } from "../robustness/workshop.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { startAzureStandin } from "../support/cloud/azure-standin.ts";
import { type S3Standin, startS3Standin } from "../support/cloud/s3-standin.ts";
import { isError, signal } from "../transport/registry-workbench.ts";

const BYTES = Buffer.from("the archive");
const KEYS = { accessKeyId: "AKIDPOD", secretAccessKey: "hush-hush-key", sessionToken: "hush-session" };
const AWS = {
  AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
  AWS_SESSION_TOKEN: KEYS.sessionToken,
  S3_FORCE_PATH_STYLE: "TRUE",
};

const read = async (url: string, environment: Environment): Promise<Uint8Array> => {
  const object = await cloudContext(url, { HOME: "/nonexistent", ...environment });
  return await collect(openCloudObject(object, new Map(), signal), 1000, "it");
};
const startStore = async (): Promise<S3Standin> =>
  await startS3Standin({ bucket: "builds", region: "eu-north-1", ...KEYS });

suite("a context in a cloud's store", () => {
  test("comes from S3, or from what speaks its protocol, with a signature", async () => {
    await using store = await startStore();
    for (const key of ["a folder/app+1.tar.gz", "context.tar.gz"])
      store.objects.set(key, { bytes: BYTES, modifiedMs: 0 });
    const environment = { ...AWS, AWS_REGION: "eu-north-1", S3_ENDPOINT: store.url };
    assert.deepEqual(await read("s3://builds/a folder/app+1.tar.gz", environment), BYTES);
    assert.deepEqual(await read("s3://builds", environment), BYTES);
    await assert.rejects(read("s3://builds/nope", environment), isError("INPUT_MISSING", /no "nope" in s3:\/\/builds/));
    await assert.rejects(read("s3://other/nope", environment), isError("INPUT_MISSING", /no bucket s3:\/\/other$/));
    await assert.rejects(
      read("s3://builds", { ...environment, AWS_SECRET_ACCESS_KEY: "wrong" }),
      isError("REGISTRY", /context\.tar\.gz.*HTTP 403.*SignatureDoesNotMatch/),
    );
    await assert.rejects(read("s3://builds", { ...environment, AWS_SESSION_TOKEN: "old" }), isError("REGISTRY", /InvalidToken/)); // prettier-ignore
  });

  test("comes from Azure with the account's key, or with a signature in its URL", async () => {
    const key = Buffer.from("hush").toString("base64");
    await using store = await startAzureStandin({ account: "team", key, sig: "signed", containers: ["builds"] });
    store.blobs.set("builds/app.tar.gz", BYTES);
    const connection = `DefaultEndpointsProtocol=http;AccountName=team;AccountKey=${key};BlobEndpoint=${store.url};`;
    const url = "https://team.blob.core.windows.net/builds/app.tar.gz";
    assert.deepEqual(await read(url, { AZURE_STORAGE_CONNECTION_STRING: connection }), BYTES);
    assert.deepEqual(await read(`${url}?sig=signed`, { AZURE_STORAGE_CONNECTION_STRING: connection }), BYTES);
    const other = { AZURE_STORAGE_CONNECTION_STRING: connection, AZURE_STORAGE_ACCESS_KEY: "b3RoZXI=" };
    await assert.rejects(read(url, other), isError("REGISTRY", /cannot read the blob.*HTTP 403/));
    const missing = "https://team.blob.core.windows.net/builds/nope";
    await assert.rejects(
      read(missing, { AZURE_STORAGE_CONNECTION_STRING: connection }),
      isError("INPUT_MISSING", /nope/),
    );
  });

  test(
    "is built, and what it was read with is seen by no RUN and in no log",
    { skip: whyNoBusybox() ?? false },
    async () => {
      await using store = await startStore();
      const workshop = await Workshop.open();
      try {
        const room = workshop.room({
          Dockerfile:
            "FROM fixture:busybox\nCOPY file /\nRUN env; cat /file; ! grep -zq AKID[P]OD /proc/*/environ 2>/dev/null\n",
          file: "from the bucket\n",
        });
        const archive = join(room.home, "context.tar.gz");
        execFileSync("tar", ["-czf", archive, "-C", room.context, "."]);
        store.objects.set("app.tgz", { bytes: execFileSync("cat", [archive]), modifiedMs: 0 });
        const args = ["--root", room.root, "executor", "--no-push", "--verbosity=debug", "-c", "s3://builds/app.tgz"];
        const env = { ...AWS, AWS_REGION: "eu-north-1", S3_ENDPOINT: store.url };
        const ended = await new Running(args, room.home, { env }).ended;
        assert.equal(ended.code, 0, ended.stderr);
        assert.match(ended.stdout, /from the bucket/);
        assert.doesNotMatch(ended.stdout + ended.stderr, /hush|AKIDPOD|AWS_/);
      } finally {
        await workshop.close();
      }
    },
  );
});

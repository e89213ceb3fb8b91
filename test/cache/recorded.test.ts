// A cache that BuildKit exported, recorded: its keys are found for every kind of step, and nothing is fetched for them.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { startS3Standin } from "../support/cloud/s3-standin.ts";
import { Running } from "../robustness/workshop.ts";
import { stepsOf } from "../support/step-ends.ts";

const FIXTURE = join(import.meta.dirname, "../../fixtures/cache");

suite("a cache that BuildKit exported", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-cache-"));
    contextAt("context");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** The context as it was recorded; the repository keeps no link of it. */
  function contextAt(name: string): string {
    const context = join(folder, name);
    cpSync(join(FIXTURE, "context"), context, { recursive: true });
    symlinkSync("e", join(context, "d/link"));
    return context;
  }

  async function build(
    name: string,
    context: string,
    more: readonly string[] = [],
    from = `type=local,src=${FIXTURE}/cache`,
  ): Promise<Map<string, string>> {
    const words = [
      ...["--root", join(folder, name), "build", "--progress", "plain", "-o", "type=cacheonly"],
      ...["--build-context", `busybox=oci-layout://${FIXTURE}/base`, "--cache-from", from],
      ...["-f", join(FIXTURE, "Dockerfile"), ...more, context],
    ];
    const { code, stderr } = await new Running(words, folder).ended;
    assert.equal(code, 0, stderr);
    return stepsOf(stderr);
  }

  test("every step of it is known, without a byte of any layer", async () => {
    const steps = await build("all", join(folder, "context"));
    const own = [...steps].filter(([name]) => /^\[(?!internal|context)/.test(name));
    assert.equal(own.length, 20);
    assert.deepEqual(
      own.filter(([, end]) => end !== "CACHED"),
      [],
    );
    const blobs = readdirSync(join(folder, "all/blobs/sha256")).map((blob) => join(folder, "all/blobs/sha256", blob));
    for (const blob of blobs) assert.match(readFileSync(blob, "utf8"), /^\{/, "a layer was fetched");
  });

  test("the document that it left in a bucket is known as well, without a blob being asked for", async () => {
    const keys = { accessKeyId: "K", secretAccessKey: "S" };
    await using bucket = await startS3Standin({ bucket: "b", region: "r", ...keys });
    const bytes = readFileSync(join(FIXTURE, "bucket.json"));
    bucket.objects.set("manifests/buildkit", { bytes, modifiedMs: Date.now() });
    const spec = `type=s3,bucket=b,region=r,endpoint_url=${bucket.url},access_key_id=K,secret_access_key=S`;
    const steps = await build("bucket", join(folder, "context"), [], spec);
    const own = [...steps].filter(([name]) => /^\[(?!internal|context)/.test(name));
    assert.equal(own.length, 20);
    const ran = own.filter(([, end]) => end !== "CACHED");
    assert.deepEqual(ran, []);
    // An ordinary user's build begins anew in a user namespace, and then asks again.
    assert.deepEqual(new Set(bucket.asked), new Set(["GET manifests/buildkit"]));
  });

  test("what reads a changed file is not known, and what does not is", async () => {
    const context = contextAt("changed-context");
    writeFileSync(join(context, "t.tar"), readFileSync(join(context, "a.txt")));
    const steps = await build("changed", context, ["--target", "files"]);
    assert.equal(steps.get("[files 1/4] COPY --link a.txt /l/a.txt"), "CACHED");
    assert.equal(steps.get("[files 2/4] COPY --chmod=u+x a.txt /"), "CACHED");
    assert.match(steps.get("[files 4/4] ADD --chown=3 t.tar /unpacked/") ?? "", /^DONE/);
  });
});

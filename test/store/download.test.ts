// Downloads that are broken off and taken up: by the next process, by another one at the same time, after a disk spoiled them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf, hexOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { openStore } from "../../builder/store/open.ts";
import type { BlobDownload } from "../../builder/store/store.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-download-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const signal = new AbortController().signal;
const bytes = randomBytes(3_000_000);
const blob = { digest: digestOf(bytes), size: bytes.length };
const newRoot = (): string => mkdtempSync(join(temp, "s-"));
const partials = (root: string): string[] =>
  existsSync(join(root, "tsbuild/partial")) ? readdirSync(join(root, "tsbuild/partial")) : [];
const started = (download: BlobDownload | undefined): BlobDownload => download ?? assert.fail("it is there already");

suite("a download", () => {
  test("is invisible until it is whole, and kept when it is broken off", async () => {
    const root = newRoot();
    const store = await openStore(root);
    {
      await using download = started(await store.download(blob, signal));
      assert.equal(download.position, 0);
      await download.write(bytes.subarray(0, 1_234_567));
    }
    assert.equal(await store.sizeOf(blob.digest), undefined);
    // By another process.
    const next = await openStore(root);
    {
      await using download = started(await next.download(blob, signal));
      assert.equal(download.position, 1_234_567);
      await download.write(bytes.subarray(1_234_567));
      await download.commit();
    }
    assert.deepEqual(Buffer.from(await next.read(blob.digest)), bytes);
    assert.deepEqual(partials(root), []);
    assert.equal(await next.download(blob, signal), undefined);
  });

  test("whose beginning was spoiled is found out, and begins anew", async () => {
    const root = newRoot();
    const store = await openStore(root);
    mkdirSync(join(root, "tsbuild/partial"));
    writeFileSync(join(root, "tsbuild/partial", hexOf(blob.digest)), Buffer.alloc(1_000_000));
    await using download = started(await store.download(blob, signal));
    assert.equal(download.position, 1_000_000);
    await download.write(bytes.subarray(1_000_000));
    await assert.rejects(
      download.commit(),
      (error) => error instanceof BuildError && error.code === "DIGEST_INVALID" && error.message.includes(blob.digest),
    );
    assert.equal(download.position, 0);
    assert.equal(await store.sizeOf(blob.digest), undefined);
    await download.write(bytes);
    await download.commit();
    assert.deepEqual(Buffer.from(await store.read(blob.digest)), bytes);
  });

  test("that is longer than the blob, or has nothing, leaves nothing", async () => {
    const root = newRoot();
    const store = await openStore(root);
    mkdirSync(join(root, "tsbuild/partial"));
    writeFileSync(join(root, "tsbuild/partial", hexOf(blob.digest)), Buffer.alloc(blob.size + 1));
    {
      await using download = started(await store.download(blob, signal));
      assert.equal(download.position, 0);
    }
    assert.deepEqual(partials(root), []);
    {
      await using download = started(await store.download(blob, signal));
      await download.write(bytes.subarray(1));
      await assert.rejects(download.commit(), /a blob of 3000000 bytes was expected, 2999999 came/);
    }
    assert.deepEqual(partials(root), []);
  });

  test("is one process's at a time: the other waits, and finds the blob there", async () => {
    const root = newRoot();
    const [store, other] = [await openStore(root), await openStore(root)];
    const download = started(await store.download(blob, signal));
    let isWaiting = true;
    const second = other.download(blob, signal).finally(() => (isWaiting = false));
    await download.write(bytes);
    await sleep(50);
    assert.ok(isWaiting);
    await download.commit();
    await download[Symbol.asyncDispose]();
    assert.equal(await second, undefined);
    assert.deepEqual(partials(root), []);
  });

  test("that another one gives up is taken over by whoever waits", async () => {
    const root = newRoot();
    const [store, other] = [await openStore(root), await openStore(root)];
    for (const kept of [bytes.subarray(0, 500_000), bytes.subarray(0, 0)]) {
      const download = started(await store.download(blob, signal));
      await download.restart();
      const waiting = other.download(blob, signal);
      await download.write(kept);
      await download[Symbol.asyncDispose]();
      await using taken = started(await waiting);
      assert.equal(taken.position, kept.length);
    }
  });

  test("is not waited for when the wait is given up", async () => {
    const root = newRoot();
    const store = await openStore(root);
    await using _held = started(await store.download(blob, signal));
    const abort = new AbortController();
    const second = store.download(blob, abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(second, /enough/);
  });

  test("that nobody took up for days is swept away", async () => {
    const root = newRoot();
    const store = await openStore(root);
    for (const download of [started(await store.download(blob, signal))]) {
      await download.write(bytes.subarray(0, 10));
      await download[Symbol.asyncDispose]();
    }
    await openStore(root);
    assert.equal(partials(root).length, 1);
    const past = new Date(Date.now() - 4 * 24 * 3600 * 1000);
    utimesSync(join(root, "tsbuild/partial", hexOf(blob.digest)), past, past);
    await openStore(root);
    assert.deepEqual(partials(root), []);
  });
});

suite("notes", () => {
  test("name who had a blob, the last one first, and where an upload stands", async () => {
    const root = newRoot();
    const { notes } = await openStore(root);
    assert.deepEqual(await notes.holders(blob.digest), []);
    await Promise.all(Array.from({ length: 12 }, (_, place) => notes.addHolder(blob.digest, `r/${place}`)));
    await notes.addHolder(blob.digest, "r/7");
    const holders = await notes.holders(blob.digest);
    assert.deepEqual([holders.length, holders[0], holders[1]], [8, "r/7", "r/11"]);
    await notes.setUpload(blob.digest, "r/1", "http://r/up");
    assert.equal(await (await openStore(root)).notes.upload(blob.digest, "r/1"), "http://r/up");
    await notes.setUpload(blob.digest, "r/1", undefined);
    assert.equal(await notes.upload(blob.digest, "r/1"), undefined);
  });

  test("that cannot be read are none", async () => {
    const root = newRoot();
    const { notes } = await openStore(root);
    mkdirSync(join(root, "tsbuild/notes"));
    for (const text of ["", "{", "[]", '{"holders":7}']) {
      writeFileSync(join(root, "tsbuild/notes", hexOf(blob.digest)), text);
      assert.deepEqual(await notes.holders(blob.digest), []);
      assert.equal(await notes.upload(blob.digest, "r/1"), undefined);
    }
  });
});

// What is remembered of secrets in layers.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { KnownSecrets } from "../../builder/guard/known-secrets.ts";
import type { GuardedLayer } from "../../builder/guard/layer-guard.ts";
import { LayerGuard } from "../../builder/guard/layer-guard.ts";
import { Verdicts } from "../../builder/guard/verdicts.ts";
import type { FoundString } from "../../builder/layer/jobs/jobs.ts";

const never = new AbortController().signal;

/** A store, opened by as many builds as one likes. */
function openStore(t: TestContext): {
  readonly facts: Map<string, string>;
  readonly keyFile: string;
  readonly build: (...secrets: readonly (readonly [id: string, value: string])[]) => LayerGuard;
} {
  const directory = mkdtempSync(join(tmpdir(), "tsbuild-guard-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const facts = new Map<string, string>();
  const store = {
    layerFact: (layer: string, key: string) => facts.get(`${layer} ${key}`),
    saveLayerFact: (layer: string, key: string, value: string) => void facts.set(`${layer} ${key}`, value),
  };
  const keyFile = join(directory, "guard.key");
  let builds = 0;
  return {
    facts,
    keyFile,
    build: (...secrets) => {
      const known = new KnownSecrets();
      for (const [id, value] of secrets) known.add(id, `secret "${id}"`, Buffer.from(value));
      const work = join(directory, `work-${builds++}`);
      mkdirSync(work);
      return new LayerGuard(new Verdicts(store, keyFile, work), () => known.all);
    },
  };
}

/** A layer with one file; `looks` counts. */
class Layer implements GuardedLayer {
  readonly id = "layer";
  looks = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  look(strings: readonly Uint8Array[]): Promise<readonly FoundString[]> {
    this.looks++;
    const found = strings.flatMap((string, number): FoundString[] =>
      this.#text.includes(Buffer.from(string).toString("latin1"))
        ? [{ string: number, path: "etc/x", where: "content" }]
        : [],
    );
    return Promise.resolve(found);
  }
}

test("a layer is looked through once for each value, by whichever build knows it", async (t) => {
  const store = openStore(t);
  const layer = new Layer("nothing here");
  assert.deepEqual(await store.build(["a", "first-value"]).find(layer, never), []);
  await store.build(["b", "first-value"]).find(layer, never);
  assert.equal(layer.looks, 1, "another name for the same value");
  await store.build(["a", "second-value"], ["b", "first-value"]).find(layer, never);
  assert.equal(layer.looks, 2, "another value of the same name");
  await store.build().find(layer, never);
  assert.equal(layer.looks, 2);
});

test("what was found is known to builds that do not know the secret", async (t) => {
  const store = openStore(t);
  const layer = new Layer("x first-value y");
  const found = [{ id: "a", name: 'secret "a"', places: [{ path: "etc/x", where: "content" }] }];
  assert.deepEqual(await store.build(["b", "second-value"], ["a", "first-value"]).find(layer, never), found);
  assert.deepEqual(await store.build().find(layer, never), found);
  assert.deepEqual(await store.build(["a", "second-value"]).find(layer, never), found);
  assert.equal(layer.looks, 1);
});

test("what a packer has seen need not be looked through again", async (t) => {
  const store = openStore(t);
  const layer = new Layer("first-value");
  const task = store.build(["a", "first-value"]).begin(layer.id);
  assert.ok(task);
  task.done(layer.id, [{ string: 0, path: "first-value/x", where: "name" }]);
  const [found] = await store.build(["a", "first-value"]).find(layer, never);
  assert.equal(layer.looks, 0);
  assert.deepEqual(found?.places, [{ path: "<withheld>/x", where: "name", isMasked: true }]);
});

test("nothing that is kept holds a value, and the key is the owner's alone", async (t) => {
  const store = openStore(t);
  await store.build(["a", "first-value"]).find(new Layer("first-value"), never);
  assert.ok(!JSON.stringify([...store.facts]).includes("first-value"));
  assert.equal(statSync(store.keyFile).mode & 0o777, 0o600);
  const key = readFileSync(store.keyFile);
  assert.equal(key.length, 32);
  await store.build(["a", "second-value"]).find(new Layer(""), never);
  assert.deepEqual(readFileSync(store.keyFile), key);
  assert.deepEqual(readdirSync(join(store.keyFile, "../work-0")), []);
});

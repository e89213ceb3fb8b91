// Which paths of a client's folder are brought for the operations that read it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CopyAction, ExecMount } from "../../builder/graph/op.ts";
import { followedPaths } from "../../builder/ops/followed-paths.ts";

function copy(source: string, more: Partial<CopyAction> = {}): Parameters<typeof followedPaths>[0][number] {
  const action = { action: "copy", from: 1, source, allowWildcard: true, ...more } as CopyAction; // only what is looked at
  return { op: { kind: "file", destination: 0, actions: [action] }, input: 1 } as unknown as ReturnType<typeof copy>;
}

function mount(selector: string): ReturnType<typeof copy> {
  const mounts: ExecMount[] = [{ type: "bind", input: 1, selector, target: "/x", readonly: true }];
  return { op: { kind: "exec", rootInput: 0, mounts }, input: 1 } as unknown as ReturnType<typeof copy>;
}

test("paths and patterns come as they are, each once and sorted", () => {
  assert.deepEqual(followedPaths([copy("/b/../a"), copy("c/*.go"), copy("a"), mount("/m/n")]), ["a", "c/*.go", "m/n"]);
});

test("whoever reads all of it, or nobody that is known, gets all of it", () => {
  assert.deepEqual(followedPaths([]), []);
  assert.deepEqual(followedPaths([copy("a"), copy(".")]), []);
  assert.deepEqual(followedPaths([copy("a"), mount("/")]), []);
  assert.deepEqual(followedPaths([copy("a/../..")]), []);
});

test("what a client would read as another pattern is cut off above it", () => {
  assert.deepEqual(followedPaths([copy("a/**/b")]), ["a"]);
  assert.deepEqual(followedPaths([copy("a/[b]/c", { allowWildcard: false })]), ["a"]);
  assert.deepEqual(followedPaths([mount("d/e*")]), ["d"]);
});

test("what copies from elsewhere reads nothing of it", () => {
  assert.deepEqual(followedPaths([copy("x", { from: 0 }), copy("y")]), ["y"]);
});

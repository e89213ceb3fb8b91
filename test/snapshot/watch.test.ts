// Layers are looked through for byte strings while they are packed, and afterwards in whichever form they lie.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openEngine } from "../../builder/engine.ts";
import type { SourcedEntry } from "../../builder/layer/entry.ts";
import type { FoundString } from "../../builder/layer/jobs/jobs.ts";

const never = new AbortController().signal;
const strings = [Buffer.from("needle"), Buffer.from("missing")];
const content = Buffer.from("a needle in a file");
const entries: readonly SourcedEntry[] = [
  {
    entry: { path: "file", type: "file", mode: 0o644, uid: 0, gid: 0, size: content.length, mtimeNs: 0n },
    source: { kind: "bytes", bytes: content },
  },
];
const found: readonly FoundString[] = [{ string: 0, path: "file", where: "content" }];

for (const directory of [false, true]) {
  test(`a layer kept as a ${directory ? "directory" : "blob"} is looked through when it is packed, once`, async (t) => {
    const root = mkdtempSync(join(tmpdir(), "tsbuild-watch-"));
    t.after(() => rmSync(root, { recursive: true, force: true }));
    const told: [layer: string, found: readonly FoundString[]][] = [];
    const watch = { begin: () => ({ strings, done: (...args: (typeof told)[number]) => void told.push(args) }) };
    await using engine = await openEngine({ root, watch });
    const want = { directory, hardlinkSources: false, blob: { compression: "gzip" }, createdMs: 0 } as const;
    const layer = await engine.layers.fromEntries(entries, want, never);
    await layer.blob({ compression: "gzip" }, never);
    await layer.blob({ compression: "gzip" }, never);
    assert.deepEqual(told, [[layer.id, found]]);
    assert.deepEqual(await layer.look(strings, never), found);
  });
}

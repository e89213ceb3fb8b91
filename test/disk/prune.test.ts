// `du` and `prune` on stores that builds have filled, and the ceiling that builds run into.

import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { onDiskBytes } from "../support/on-disk.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import type { Room } from "../robustness/workshop.ts";
import { Running, Workshop } from "../robustness/workshop.ts";

const DOCKERFILE = `\
FROM fixture:busybox
COPY file /
RUN --mount=type=cache,target=/cache dd if=/dev/zero of=/cache/z bs=64k count=3 2>/dev/null && ln /file /second
RUN mkdir -m 700 /closed && chown 12:34 /closed && echo 1 >/closed/1
`;

suite("the disk of a store", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  async function tsbuild(
    room: Room,
    ...args: readonly string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    return await new Running(["--root", room.root, ...args], room.home).ended;
  }

  async function usage(room: Room): Promise<{ onDisk: number; items: { id: string; kind: string; bytes: number }[] }> {
    const { stdout, stderr } = await tsbuild(room, "du", "--json");
    assert.notEqual(stdout, "", stderr);
    return JSON.parse(stdout) as Awaited<ReturnType<typeof usage>>;
  }

  test("du finds what du(1) finds; prune leaves the images, and the next build is right", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE, file: "text" });
    const first = await room.succeed(["--reproducible", "-t", "kept"]);
    const before = await usage(room);
    assert.equal(before.onDisk, await onDiskBytes(room.root));
    const kinds = (list: typeof before): string[] => [...new Set(list.items.map(({ kind }) => kind))].toSorted();
    assert.deepEqual(kinds(before), ["cache mount", "context digests", "layer", "lookup table"]);

    const table = await tsbuild(room, "du");
    assert.match(table.stdout, /^ID +RECLAIMABLE +SIZE +LAST ACCESSED\n/);
    assert.match(table.stdout, /^[0-9a-f]{64}\* +true +20\dkB +.* ago$/m);
    assert.match(table.stdout, /^Reclaimable: .*\nTotal: /m);

    const asked = await tsbuild(room, "prune");
    assert.equal(asked.code, 125);
    assert.match(asked.stderr, /--force/);
    const mounts = await tsbuild(room, "prune", "-f", "--filter", "type=exec.cachemount");
    assert.match(mounts.stdout, /^ID +RECLAIMABLE[^]*Total: +20\dkB\n$/);
    assert.deepEqual(kinds(await usage(room)), ["context digests", "layer", "lookup table"]);

    const all = await tsbuild(room, "prune", "-a", "-f", "--verbose");
    assert.match(all.stdout, /Description: +\[stage-0 4\/4\] RUN mkdir/);
    const after = await usage(room);
    assert.deepEqual(after.items, []);
    assert.equal(after.onDisk, await onDiskBytes(room.root));
    assert.equal((await tsbuild(room, "validate", "kept")).code, 0);
    assert.deepEqual(readdirSync(join(room.root, "tsbuild/layers")), []);
    const again = await room.succeed(["--reproducible", "-t", "kept"]);
    assert.equal(again.stdout, first.stdout, "the same digests");
  });

  test("a build that would pass the ceiling makes room first, and fails with what holds the space when there is none", async () => {
    const room = workshop.room({ Dockerfile: "FROM fixture:busybox\nCOPY big /\nRUN true\n" });
    const big = join(room.context, "big");
    const env = { TSBUILD_MAX_USED_SPACE: "30m" };
    const fill = (mib: number): void => writeFileSync(big, incompressible(mib));
    for (const mib of [4, 5, 6]) {
      fill(mib);
      const { stderr } = await room.succeed([], { env });
      assert.doesNotMatch(stderr, /WARN/);
      const onDisk = await onDiskBytes(room.root);
      assert.ok(onDisk <= 30 * 2 ** 20, `${onDisk} bytes`);
    }
    fill(40);
    const failed = await room.build(["-t", "x"], { env });
    assert.equal(failed.code, 73, failed.stderr);
    assert.match(
      failed.stderr,
      /may take 31\.5 MB; it takes .* MB, and 4\d\.\d MB more are needed: .*images with a name/,
    );
    assert.ok((await onDiskBytes(room.root)) <= 30 * 2 ** 20);
    assert.deepEqual(room.temporaries(), []);
    fill(5);
    await room.succeed(["-t", "x"], { env });
  });

  test("a step that writes past the ceiling is stopped", async () => {
    const step =
      "RUN i=0; while [ $i -lt 60 ]; do dd if=/dev/urandom of=/f$i bs=1M count=1 2>/dev/null; sleep 0.05; i=$((i+1)); done";
    const room = workshop.room({ Dockerfile: `FROM fixture:busybox\n${step}\n` });
    const failed = await room.build([], { env: { TSBUILD_MAX_USED_SPACE: "20m" } });
    assert.equal(failed.code, 73, failed.stderr);
    assert.match(failed.stderr, /may take 21\.0 MB/);
    assert.ok((await onDiskBytes(room.root)) <= 20 * 2 ** 20);
    assert.deepEqual(room.temporaries(), []);
    assert.ok(existsSync(join(room.root, "index.json")));
  });
});

function incompressible(mib: number): Buffer {
  const bytes = Buffer.alloc(mib << 20);
  for (let at = 0, state = mib; at < bytes.length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

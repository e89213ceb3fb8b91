// Cache mounts that travel beside a cache: what a step on one machine kept is there for a step on another one, only what
// changed moves, and what a step here has made is never lost to what lies elsewhere.

import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Ended, Room } from "../robustness/workshop.ts";
import { Running, Workshop } from "../robustness/workshop.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import type { MemoryRegistry } from "../support/memory-registry.ts";
import { startMemoryRegistry } from "../support/memory-registry.ts";
import { isPlayed } from "../support/sample.ts";
import { onDiskBytes } from "../support/on-disk.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";

// Every build adds a line; the large file makes several chunks.
const DOCKERFILE = `\
FROM fixture:busybox
ARG N
RUN --mount=type=cache,id=kept,target=/c mkdir -p /c/d && { test -e /c/large || dd if=/dev/urandom of=/c/large bs=1M count=6 2>/dev/null; } && echo $N >>/c/d/lines && chown 7:8 /c/d/lines && echo lines: $(cat /c/d/lines)
`;
const FILES = { Dockerfile: DOCKERFILE };
const REPOSITORY = "team/app";

suite("cache mounts that travel", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  const linesOf = ({ stderr }: Ended): string | undefined => /^#\d+ [\d.]+ lines: (.*)$/m.exec(stderr)?.[1];

  async function run(room: Room, host: string, number: number, words: readonly string[]): Promise<Ended> {
    const args = ["--insecure-registry", host, "--build-arg", `N=${number}`, "-o", "type=cacheonly", ...words];
    return await room.succeed(args);
  }
  const tsbuild = (room: Room, ...words: readonly string[]): Promise<Ended> =>
    new Running(["--root", room.root, ...words], room.home).ended;
  const refOf = (host: string): string => `type=registry,ref=${host}/${REPOSITORY}:cache`;
  const from = (host: string): string => `--cache-from=${refOf(host)}`;
  const to = (host: string): string => `--cache-to=${refOf(host)},mounts=max,ignore-error=false`;

  /** Digests of blobs, by what was done with them since the last call. */
  function moved(registry: MemoryRegistry): { readonly fetched: readonly string[]; readonly sent: number } {
    const seen = registry.seen.splice(0);
    const blob = /^\/v2\/team\/app\/blobs\/(sha256:\w+)/;
    const fetched = seen.flatMap(({ method, url }) => (method === "GET" ? (blob.exec(url)?.[1] ?? []) : []));
    return {
      fetched,
      sent: seen.filter(({ method, url }) => method === "POST" && url.includes("/blobs/uploads")).length,
    };
  }

  test("a step elsewhere goes on where the first one stopped; only changed chunks move, either way", async () => {
    await using registry = await startMemoryRegistry();
    const { host } = registry;
    const [one, two, three] = [workshop.room(FILES), workshop.room(FILES), workshop.room(FILES)];
    assert.equal(linesOf(await run(one, host, 1, [to(host)])), "1");
    const first = moved(registry);
    const chunks = artifactOf(registry).layers.length - 1;
    assert.ok(chunks >= 3 && first.sent >= chunks, `${chunks} chunks`);

    assert.equal(linesOf(await run(two, host, 2, [from(host), to(host)])), "1 2");
    const second = moved(registry);
    assert.ok(second.fetched.length >= chunks);
    // A layer, two documents of the cache; a list, a document and the changed end of the mount.
    assert.ok(second.sent <= 6, `${second.sent} blobs were sent again`);

    // What is here was sent, and is older: it is replaced, by what changed alone.
    assert.equal(linesOf(await run(one, host, 3, [from(host)])), "1 2 3");
    const third = moved(registry);
    const chunksMoved = third.fetched.filter((digest) => artifactOf(registry).chunks.includes(digest)).length;
    assert.ok(chunksMoved >= 1 && chunksMoved <= 2, `${chunksMoved} of ${chunks} chunks were fetched again`);

    // What is here by now is this store's own.
    assert.equal(linesOf(await run(one, host, 4, [from(host)])), "1 2 3 4");

    moved(registry);
    assert.equal(linesOf(await run(three, host, 2, [from(host)])), undefined, "the step is known");
    const known = registry.seen.filter(({ url }) => url.includes("cache.mounts"));
    assert.deepEqual(known, [], "mounts are not even looked for");
    assert.equal(linesOf(await run(three, host, 5, [from(host), "--no-cache"])), "5", "it begins empty");

    const { stdout } = await tsbuild(one, "du", "--json");
    assert.equal((JSON.parse(stdout) as { onDisk: number }).onDisk, await onDiskBytes(one.root));
    assert.equal((await tsbuild(one, "prune", "-f", "--filter", "type=exec.cachemount")).code, 0);
    assert.deepEqual(readdirSync(join(one.root, "tsbuild/mounts")), []);
  });

  // Five builds are enough where not everything is tried.
  const testWhole = isPlayed(1) ? test : (): void => undefined;

  void testWhole("a mount that is not what was promised costs a warning, one with a secret goes nowhere", async () => {
    await using registry = await startMemoryRegistry();
    const { host } = registry;
    const [one, two] = [workshop.room(FILES), workshop.room(FILES)];
    await run(one, host, 1, [to(host)]);
    const blobs = registry.blobs.get(REPOSITORY) ?? new Map<string, Buffer>();
    const [lie = ""] = artifactOf(registry).chunks;
    blobs.set(lie, Buffer.alloc(blobs.get(lie)?.length ?? 0));
    const ended = await run(two, host, 2, [from(host)]);
    assert.equal(linesOf(ended), "2");
    assert.match(ended.stderr, /the cache mount "kept" of .* is not used: /);
    assert.deepEqual(two.temporaries(), []);

    const before = new Set(blobs.keys());
    const secret = join(two.home, "secret");
    writeFileSync(secret, "a-token-in-the-mount");
    const leaking = workshop.room({ Dockerfile: DOCKERFILE.replace("id=kept", "id=leak").replace("echo $N", "echo a-token-in-the-mount") }); // prettier-ignore
    const words = ["--insecure-registry", host, `--secret=id=s,src=${secret}`, "-o", "type=cacheonly", to(host)];
    const refused = await leaking.build(words);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /secret "s" is in "\/d\/lines" of the cache mount "leak"/);
    const fresh = [...blobs].filter(([digest]) => !before.has(digest)).map(([, bytes]) => bytes.length);
    assert.ok(Math.max(0, ...fresh) < 1 << 20, "none of its chunks was sent");
  });

  void testWhole(
    "a real registry keeps the artifact, also where the build knows every step",
    { skip: noRegistry },
    async () => {
      await using registry = await startRegistry();
      const { host } = registry;
      const [one, two, three] = [workshop.room(FILES), workshop.room(FILES), workshop.room(FILES)];
      await run(one, host, 1, [to(host), `--cache-to=type=local,dest=${one.home}/cache,mounts=max,tag=x`]);
      // Nothing runs, and nothing is here: what lies there stays.
      assert.equal(linesOf(await run(two, host, 1, [from(host), to(host)])), undefined);
      assert.equal(linesOf(await run(two, host, 2, [from(host)])), "1 2");
      assert.equal(linesOf(await run(three, host, 6, [`${from(host)},mounts=none`])), "6");
      const local = workshop.room(FILES);
      assert.equal(linesOf(await run(local, host, 3, [`--cache-from=type=local,src=${one.home}/cache,tag=x`])), "1 3");
      assert.ok(existsSync(join(one.home, "cache/index.json")));
    },
  );

  function artifactOf(registry: MemoryRegistry): { layers: readonly { digest: string }[]; chunks: readonly string[] } {
    const manifest = registry.manifests.get(REPOSITORY)?.get("cache.mounts") ?? assert.fail("there is no artifact");
    const { layers, artifactType } = JSON.parse(manifest.bytes.toString()) as {
      readonly artifactType: string;
      readonly layers: readonly { readonly digest: string; readonly mediaType: string }[];
    };
    assert.equal(artifactType, "application/vnd.tsbuild.cache.mounts.v1");
    const chunks = layers.filter(({ mediaType }) => mediaType.endsWith(".chunk.v1+zstd"));
    return { layers, chunks: chunks.map(({ digest }) => digest) };
  }
});

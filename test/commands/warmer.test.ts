// `tsbuild warmer`: images come into a folder, and jobs take them from there, also where no registry answers.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import type { Digest } from "../../builder/core/digest.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import type { Session } from "../../builder/core/session.ts";
import { blobPath, warmedImage } from "../../builder/engine/images/warmed-images.ts";
import { DEFAULT_LIMITS } from "../../builder/layer/unpack-limits.ts";
import { directRouter } from "../../builder/transport/registry/direct-router.ts";
import type { WarmedImage } from "../../builder/warm.ts";
import { warm } from "../../builder/warm.ts";
import { type Ended, Running, TSBUILD, Workshop } from "../robustness/workshop.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";
import { optionsFor, push, signal, Workbench } from "../transport/registry-workbench.ts";
import { AMD64, makeImage } from "../transport/sample-image.ts";

const SESSION: Session = {
  secret: async () => undefined,
  sshAgent: async () => undefined,
  credentials: async () => undefined,
};
const HOUR_MS = 3600_000;

suite("a folder of warmed images", () => {
  const bench = new Workbench();
  let registry: MemoryRegistry;
  let proxy: FaultProxy;
  const cache = join(bench.folder, "cache");
  before(async () => {
    registry = await startMemoryRegistry();
    proxy = await startFaultProxy(registry.host);
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    bench[Symbol.dispose]();
  });

  /** A new image under a name of the registry; its digest. */
  const pushNew = async (name: string): Promise<Digest> => {
    const store = await bench.newStore();
    const image = await makeImage(store, [3000, 500]);
    await push(store, image, `${registry.host}/${name}`, optionsFor());
    return image.manifest.digest;
  };
  const fill = async (images: readonly string[], more: object = {}): Promise<readonly WarmedImage[]> =>
    await warm(
      {
        folder: cache,
        images,
        platform: AMD64,
        force: false,
        maxAgeMs: HOUR_MS,
        access: { router: directRouter({ insecure: [] }), session: SESSION, environment: new Map() },
        limits: DEFAULT_LIMITS,
        checkLayers: undefined,
        retries: 0,
        events: () => undefined,
        now: Date.now,
        environment: new Map(),
        ...more,
      },
      signal,
    );
  const look = async (
    name: string,
    maxAgeMs = HOUR_MS,
  ): Promise<{ readonly digest: Digest | undefined; readonly warnings: readonly string[] }> => {
    const warnings: string[] = [];
    const lookup = { folder: { path: cache, maxAgeMs }, platform: AMD64, now: Date.now, signal };
    const take = (event: BuildEvent): void => void (event.kind === "warning" && warnings.push(event.message));
    const found = await warmedImage(parseReference(name), optionsFor(), lookup, take);
    return { digest: (await found?.top(signal))?.descriptor.digest, warnings };
  };
  const layersAsked = (): number => registry.seen.filter(({ url }) => url.includes("/blobs/")).length;

  test("is filled by name or by what a Dockerfile begins with and copies from, once each", async () => {
    const [base, tools] = [await pushNew("base:latest"), await pushNew("tools:1")];
    const names = [`${proxy.host}/base`, `${proxy.host}/tools:1`];
    const first = await fill(names.slice(0, 1));
    assert.deepEqual(first, [{ name: `${names[0]}:latest`, digest: base, wasThere: false }]);
    const bytes = Buffer.from(`ARG H\nFROM $H/base AS a\nFROM a\nCOPY --from=${names[1]} /x /\nFROM scratch\n`);
    const dockerfile = { bytes, name: "Dockerfile", buildArgs: new Map([["H", proxy.host]]) };
    const asked = layersAsked();
    assert.deepEqual(await fill(names.slice(0, 1), { dockerfile }), [
      { name: `${names[0]}:latest`, digest: base, wasThere: true },
      { name: names[1], digest: tools, wasThere: false },
    ]);
    assert.equal(layersAsked() - asked, 3, "two layers and a config of the new one");
    assert.deepEqual((await look(`${names[0]}@${base}`)).digest, base);
  });

  test("has what a name is as long as the registry says so, or says nothing", async () => {
    const name = `${proxy.host}/moving`;
    const old = await pushNew("moving:latest");
    await fill([name]);
    assert.equal((await look(name)).digest, old);
    proxy.isDown = true;
    const offline = await look(name);
    assert.equal(offline.digest, old);
    assert.match(offline.warnings.join(), /is the one in ".*cache", as its registry does not answer/);
    proxy.isDown = false;
    proxy.decide = () => ({ kind: "answer", status: 401 });
    await assert.rejects(look(name), /401|login|credentials/i);
    proxy.decide = () => undefined;
    const now = await pushNew("moving:latest");
    assert.deepEqual(await look(name), { digest: undefined, warnings: [] });
    await fill([name]);
    assert.equal((await look(name)).digest, now);
  });

  test("forgets what was warmed too long ago, and has nothing for another platform", async () => {
    const name = `${proxy.host}/aged`;
    const digest = await pushNew("aged:latest");
    await fill([name]);
    utimesSync(blobPath(cache, digest), 0, 0);
    assert.equal((await look(name)).digest, undefined);
    assert.equal((await look(name, Number.POSITIVE_INFINITY)).digest, digest);
    assert.equal((await fill([name]))[0]?.wasThere, false);
    assert.equal((await look(name)).digest, digest);
    assert.equal((await fill([name], { force: true }))[0]?.wasThere, false);
  });

  test("may be filled by several at once; one image that cannot be had does not keep the others away", async () => {
    const folder = join(bench.folder, "shared");
    const digest = await pushNew("shared:latest");
    const name = `${proxy.host}/shared`;
    await Promise.all([1, 2, 3].map(() => fill([name], { folder })));
    const { manifests } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { manifests: unknown[] };
    assert.equal(manifests.length, 1);
    const other = join(bench.folder, "other");
    await assert.rejects(fill([`${proxy.host}/nope`, name], { folder: other }), /nope/);
    assert.ok(readFileSync(join(other, "index.json"), "utf8").includes(digest));
  });
});

suite("the warmer's command and earlier results of a job", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => void (workshop = await Workshop.open()));
  after(() => workshop.close());
  const run = async (home: string, ...args: readonly string[]): Promise<Ended> => await new Running(args, home).ended;

  test("a job builds from a folder that was filled, without a registry", async () => {
    await using registry = await startMemoryRegistry();
    await using proxy = await startFaultProxy(registry.host);
    const home = mkdirIn(workshop.folder, "home");
    const base = workshop.room({ Dockerfile: "FROM scratch\nCOPY Dockerfile /base\n" });
    const pushed = await run(home, "--root", base.root, "executor", "-c", base.context, "-d", `${registry.host}/base`);
    assert.equal(pushed.code, 0, pushed.stderr);
    const cache = join(home, "cache");
    const link = join(home, "warmer");
    symlinkSync(TSBUILD, link);
    const files = createServer(({ url }, response) => {
      if (url === "/Dockerfile") response.end(`FROM ${proxy.host}/base\n`);
      else response.writeHead(404).end();
    });
    await using server = await listenOnLoopback(files);
    const args = ["--dockerfile", `${server.url}/Dockerfile`, "--cache-dir", cache, "--log-format=text"];
    await promisify(execFile)(process.execPath, [link, ...args]);
    proxy.isDown = true;
    const room = workshop.room({ Dockerfile: `FROM ${proxy.host}/base\nCOPY Dockerfile /more\n` });
    const built = await run(home, "--root", room.root, "executor", "-c", room.context, "--no-push", "--cache-dir", cache); // prettier-ignore
    assert.equal(built.code, 0, built.stderr);
    assert.match(built.stderr, /its registry does not answer/);
    const wrong = await run(home, "warmer", "-c", cache);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /needs an image/);
    const scratch = workshop.room({ Dockerfile: "FROM scratch\nCOPY x /\n" });
    const nothing = await run(home, "warmer", "-c", cache, "-d", join(scratch.context, "Dockerfile"));
    assert.equal(nothing.code, 0, nothing.stderr);
    assert.match(nothing.stderr, /no stage of "Dockerfile" takes an image/);
    const missing = await run(home, "warmer", "-c", cache, "-d", `${server.url}/other?sig=hush`);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /\/other" answered HTTP 404/);
  });

  test("of RUN do not count where that is said, nor do old ones; with --cache=false nothing does", async () => {
    const room = workshop.room({ Dockerfile: "FROM fixture:busybox\nCOPY Dockerfile /\nRUN date +%s%N >/time\n" });
    const job = ["--root", room.root, "executor", "-c", room.context, "--no-push"];
    const isCached = async (...more: readonly string[]): Promise<readonly boolean[]> => {
      const { code, stderr } = await run(room.home, ...job, ...more);
      assert.equal(code, 0, stderr);
      return [/COPY .*\(cached\)/.test(stderr), /RUN .*\(cached\)/.test(stderr)];
    };
    assert.deepEqual(await isCached(), [false, false]);
    assert.deepEqual(await isCached("--cache-run-layers=false"), [true, false]);
    assert.deepEqual(await isCached("--cache-ttl=1ms"), [false, false]);
    assert.deepEqual(await isCached("--cache=false"), [false, false]);
    const plan = await run(room.home, ...job, "--dryrun", "--cache-run-layers=false");
    assert.equal(plan.code, 0, plan.stderr);
    assert.match(plan.stdout, /RUN date.* would run/);
  });
});

function mkdirIn(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, ".keep"), "");
  return path;
}

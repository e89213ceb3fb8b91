// Jobs in pods of the three levels: a user namespace of their own, a container's ordinary capabilities, nothing at all. An
// image is the same one on every level, or there is none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { buildBase, whyNoBusybox } from "../../test/support/busybox.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../../test/support/memory-registry.ts";
import { Pod, type PodLevel, whyNoPod } from "../../test/support/pod.ts";
import { runCases } from "./pods/run-cases.ts";
import { type JobVector, VECTORS } from "./pods/vectors.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const TSBUILD = path.join(ROOT, "bin/tsbuild.js");
const LEVELS: readonly PodLevel[] = ["namespaces", "default", "restricted"];
const WITHOUT_RUN = "FROM scratch AS other\nCOPY data /other\nFROM scratch AS final\nARG VERSION=1\nLABEL version=$VERSION\nCOPY --chown=7:8 data /data/\n"; // prettier-ignore
const withRun = (base: string): string =>
  `FROM ${base} AS final\nARG VERSION=1\nCOPY data /data/\nRUN echo "$VERSION" >/version && echo someone:x:77:77::/:/bin/sh >>/etc/passwd && mkdir -p /scratch /own && chown 77 /version /own && rm /bin/vi\nUSER someone\nRUN id -u >/own/who\n`; // prettier-ignore

suite("jobs in pods", { skip: whyNoPod() || (whyNoBusybox() ?? false) }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-pods-"));
  let registry: MemoryRegistry;
  let base: string;
  before(async () => {
    registry = await startMemoryRegistry();
    const { storeRoot } = await buildBase(folder);
    const context = path.join(folder, "base-context");
    mkdirSync(context);
    writeFileSync(path.join(context, "Dockerfile"), "FROM fixture:busybox\n");
    base = `${registry.host}/base:latest`;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const { spawn } = await import("node:child_process");
    spawn(process.execPath, [TSBUILD, "--root", storeRoot, "executor", "-c", context, "-d", base, "--reproducible"], { stdio: "inherit" }) // prettier-ignore
      .on("close", resolve);
    assert.equal(await promise, 0);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the same job made on the levels before. */
  const digests = new Map<string, string>();

  for (const level of LEVELS)
    test(`level ${level}: what the kernel allows is what the level says`, async () => {
      using pod = new Pod(level);
      const { stdout } = await pod.run("/bin/sh", "-c", "unshare -U true 2>/dev/null; echo $?; unshare -m true 2>/dev/null; echo $?"); // prettier-ignore
      assert.deepEqual(stdout.trim().split("\n"), level === "namespaces" ? ["0", "0"] : ["1", "1"]);
    });

  for (const level of LEVELS)
    for (const [number, vector] of VECTORS.entries())
      test(`level ${level}: ${vector.name}`, async () => {
        using pod = new Pod(level);
        const name = `${level}-${number}`;
        layOut(pod);
        const words = fill(vector, name);
        const digest = path.join(pod.work, "the-digest");
        const more = vector.args.some((arg) => arg.startsWith("--digest-file"))
          ? []
          : ["--digest-file=/pod/the-digest"];
        const ended = await pod.tsbuild("executor", "--kaniko-dir=/pod/kaniko", "--reproducible", ...words, ...more);
        const repositories = vector.pushed.map((one) => one.replace("NAME", name).split(":") as [string, string]);
        if (vector.runs && level === "restricted") {
          assert.equal(ended.code, 1, ended.stderr);
          assert.match(ended.stderr, /RUN needs namespaces, but this process may not make any.*in a container, allow/s);
          for (const [repository] of repositories) assert.equal(registry.manifests.get(repository), undefined);
          assert.ok(!existsSync(digest));
          return;
        }
        assert.equal(ended.code, 0, ended.stderr);
        for (const [repository, tag] of repositories)
          assert.ok(registry.manifests.get(repository)?.has(tag), `${repository}:${tag}`);
        for (const file of vector.files ?? []) assert.ok(existsSync(path.join(pod.work, "out", file)), file);
        const made = readFileSync(more.length === 0 ? path.join(pod.work, "out/digest") : digest, "utf8");
        assert.equal(digests.get(vector.name) ?? made, made, "another image than on another level");
        digests.set(vector.name, made);
      });

  for (const level of LEVELS)
    test(`level ${level}: BuildKit's images`, async () => {
      using pod = new Pod(level);
      const ended = await runCases(pod, level);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    });

  function layOut(pod: Pod): void {
    const context = path.join(pod.work, "context");
    mkdirSync(context);
    mkdirSync(path.join(pod.work, "out"));
    writeFileSync(path.join(context, "data"), "data\n");
    writeFileSync(path.join(context, "Dockerfile"), WITHOUT_RUN);
    writeFileSync(path.join(context, "Dockerfile.run"), withRun(base));
    execFileSync("tar", ["-czf", path.join(pod.work, "context.tar.gz"), "-C", context, "."]);
    pod.share();
  }

  function fill({ args }: JobVector, name: string): readonly string[] {
    return args.map((arg) =>
      arg
        .replaceAll("CONTEXT", "/pod/context")
        .replaceAll("REGISTRY", registry.host)
        .replaceAll("OUT", "/pod/out")
        .replaceAll("NAME", name),
    );
  }
});

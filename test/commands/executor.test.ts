// `tsbuild executor` as jobs call it: what they give it, what they read from it, and how it ends.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { TestContext } from "node:test";
import { serveSmart } from "../source/git-servers.ts";
import { git, HAS_GIT } from "../source/support.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { type Ended, Running } from "../robustness/workshop.ts";
import { JobPlace } from "./job-place.ts";

suite("a job", { skip: whyNoBusybox() ?? false }, () => {
  let place: JobPlace;
  let workshop: JobPlace["workshop"];
  let registry: JobPlace["registry"];
  let folder: JobPlace["folder"];
  before(async () => {
    place = await JobPlace.open();
    ({ workshop, registry, folder } = place);
  });
  after(() => place.close());

  const job = (...given: Parameters<JobPlace["job"]>): Promise<Ended> => place.job(...given);
  const digestOf = (...given: Parameters<JobPlace["digestOf"]>): Promise<string> => place.digestOf(...given);

  test("one context is the same image as a folder, an archive and standard input; the ignore file in it counts", async () => {
    const asFolder = await digestOf(["--no-push", "--context", join(folder, "app")]);
    assert.equal(await digestOf(["--no-push", "-c", `dir://${folder}/app`]), asFolder);
    assert.equal(await digestOf(["--no-push", "-c", `tar://${folder}/app.tgz`]), asFolder);
    const stdin = readFileSync(join(folder, "app.tgz"));
    assert.equal(await digestOf(["--no-push", "-c", "tar://stdin"], { input: stdin }), asFolder);
    const tree = join(folder, "tree.tar");
    assert.equal((await job(["--no-push", "-c", `tar://${folder}/app.tgz`, "--tar-path", tree])).code, 0);
    const name = "docker.io/unset-repo/unset-image-name:latest";
    assert.match(execFileSync("tar", ["-xOf", tree, "manifest.json"], { encoding: "utf8" }), new RegExp(name));
  });

  test("a folder inside the context is the context", async () => {
    const below = await digestOf(["--no-push", "-c", join(folder, "app/sub")]);
    assert.equal(await digestOf(["--no-push", "-c", join(folder, "app"), "--context-sub-path=sub"]), below);
    assert.equal(await digestOf(["--no-push", "-c", `tar://${folder}/app.tgz`, "--context-sub-path", "./sub/"]), below);
    const outside = await job(["--no-push", "-c", join(folder, "app"), "--context-sub-path", "../.."]);
    assert.equal(outside.code, 1);
    assert.match(outside.stderr, /leads out of the context/);
    symlinkSync("/etc", join(folder, "app/out"));
    const linked = await job(["--no-push", "-c", join(folder, "app"), "--context-sub-path", "out"]);
    rmSync(join(folder, "app/out"));
    assert.match(linked.stderr, /leads out of the context/);
    const missing = await job(["--no-push", "-c", `tar://${folder}/app.tgz`, "--context-sub-path", "nope"]);
    assert.match(missing.stderr, /the build context has no folder "nope"/);
  });

  test(
    "a repository, with its login, which RUN has no way to read",
    { skip: HAS_GIT ? false : "needs git" },
    async (t: TestContext) => {
      const work = join(folder, "repo.git");
      mkdirSync(work);
      git(work, "init", "--quiet", "-b", "main");
      writeFileSync(
        join(work, "Dockerfile"),
        `FROM fixture:busybox\nRUN --mount=type=secret,id=GIT_AUTH_HEADER [ ! -e /run/secrets/GIT_AUTH_HEADER ]\nCOPY . /src\n`,
      );
      git(work, "add", ".");
      git(work, "commit", "--quiet", "-m", "one");
      const server = await serveSmart(t, folder, `basic ${Buffer.from("token:").toString("base64")}`);
      const context = `git://${new URL(server.url).host}/repo.git#refs/heads/main`;
      const env = { GIT_PULL_METHOD: "http" };
      const ended = await job(["--no-push", "-c", context], { env: { ...env, GIT_TOKEN: "token" } });
      assert.equal(ended.code, 0, ended.stderr);
      assert.doesNotMatch(ended.stderr, /dG9rZW46/);
      const refused = await job(["--no-push", "-c", context], { env });
      assert.equal(refused.code, 1);
      const branch = ["--git", "branch=main", "--git=single-branch=true", "-c", context.split("#")[0] ?? ""];
      const again = await job(["--no-push", ...branch], { env: { ...env, GIT_TOKEN: "token" } });
      assert.equal(again.code, 0, again.stderr);
    },
  );

  test("a file for the result that cannot be written is told before anything is built", async () => {
    const dockerfile = join(folder, "app/Dockerfile");
    for (const [path, why] of [
      [join(dockerfile, "digest"), /--digest-file: cannot write ".*": ".*Dockerfile" is no folder/],
      [folder, /--digest-file: cannot write ".*": it is a folder/],
    ] as const) {
      const ended = await job(["--no-push", "-c", join(folder, "app"), "--digest-file", path]);
      assert.equal(ended.code, 1);
      assert.match(ended.stderr, why);
      assert.doesNotMatch(ended.stderr, /COPY|RUN/);
    }
  });

  test("a failing RUN's code is the job's, and its log says where", async () => {
    writeFileSync(join(folder, "fails"), "FROM fixture:busybox\nRUN echo out; echo err >&2; exit 42\n");
    const ended = await job(["--no-push", "-c", join(folder, "app"), "-f", join(folder, "fails"), "--log-format=json"]);
    assert.equal(ended.code, 42);
    assert.equal(ended.stdout, "out\n");
    const lines = ended.stderr
      .trim()
      .split("\n")
      .filter((line) => line !== "err");
    const last = JSON.parse(lines.at(-1) ?? "") as { level: string; msg: string };
    assert.equal(last.level, "fatal");
    assert.match(last.msg, /\/fails:2: .*exit code: 42/);
  });

  test("mirrors and mapped registries stand in for others", async () => {
    const image = `${registry.host}/library/base`;
    assert.equal((await job(["-c", join(folder, "app"), "-d", image])).code, 0);
    writeFileSync(join(folder, "mirrored"), "FROM base\nCOPY file /more\n");
    const args = ["--no-push", "-c", join(folder, "app"), "-f", join(folder, "mirrored")];
    const mirrored = await job([...args, "--registry-mirror", registry.host, "--skip-default-registry-fallback"]);
    assert.equal(mirrored.code, 0, mirrored.stderr);
    writeFileSync(join(folder, "mapped"), "FROM registry.example/library/base\nCOPY file /more\n");
    const mapped = await job([...args.slice(0, 3), "-f", join(folder, "mapped")], {
      env: { KANIKO_REGISTRY_MAP: `quay.example=127.0.0.1:1;registry.example=${registry.host}` },
    });
    assert.equal(mapped.code, 0, mapped.stderr);
  });

  test("paths that nobody wants reach no layer, however they were changed", async () => {
    const run = "mkdir -p /var/run /out/below && echo x | tee /var/run/x /out/below/y /kept && rm -rf /tmp";
    writeFileSync(join(folder, "ignores"), `FROM fixture:busybox\nRUN ${run}\n`);
    const args = ["--no-push", "-c", join(folder, "app"), "-f", join(folder, "ignores"), "--tar-path"];
    const names = async (file: string, ...more: readonly string[]): Promise<string> => {
      const path = join(folder, file);
      const ended = await job([...args, path, ...more]);
      assert.equal(ended.code, 0, ended.stderr);
      const manifest = execFileSync("tar", ["-xOf", path, "manifest.json"], { encoding: "utf8" });
      const last = (JSON.parse(manifest) as { Layers: string[] }[])[0]?.Layers.at(-1) ?? "";
      const layer = execFileSync("tar", ["-xOf", path, last]);
      return execFileSync("tar", ["-tz"], { input: layer, encoding: "utf8" }).replaceAll("\n", " ");
    };
    assert.equal(await names("less.tar", "--ignore-path=/out/below", "--ignore-path", "/tmp"), "kept out/ var/ ");
    assert.equal(
      await names("more.tar", "--ignore-var-run=false"),
      "kept out/ out/below/ out/below/y .wh.tmp var/ var/run/ var/run/x ",
    );
  });

  test("layers come from a cache of layers: in a registry or in a folder", async () => {
    writeFileSync(join(folder, "cached"), "FROM fixture:busybox\nRUN date +%s%N >/time\n");
    const args = ["-c", join(folder, "app"), "-f", join(folder, "cached"), "--reproducible", "--cache"];
    const places = [
      ["-d", `${registry.host}/team/cached`],
      ["--no-push", `--cache-repo=oci:${join(folder, "layers")}`],
    ];
    for (const [number, place] of places.entries()) {
      const digests = [];
      for (const [run, home] of ["first", "second"].entries()) {
        // Another store: what is the same comes from the cache.
        const other = workshop.room({});
        const file = join(folder, `${number}-${home}`);
        const ended = await new Running(["--root", other.root, "executor", ...args, ...place, "--digest-file", file], other.home).ended; // prettier-ignore
        assert.equal(ended.code, 0, ended.stderr);
        assert.equal(/RUN date.* \(cached\)/.test(ended.stderr), run === 1, ended.stderr);
        digests.push(readFileSync(file, "utf8"));
      }
      assert.equal(digests[0], digests[1]);
    }
    assert.ok(registry.manifests.get("team/cached/cache")?.has("latest"));
  });

  test("one layer is all that is asked for", async () => {
    writeFileSync(join(folder, "several"), "FROM fixture:busybox\nCOPY file /a\nCOPY file /b\nLABEL x=y\n");
    const args = ["-c", join(folder, "app"), "-f", join(folder, "several"), "-d", `${registry.host}/single`];
    assert.equal((await job([...args, "--single-snapshot"])).code, 0);
    const manifest = registry.manifests.get("single")?.get("latest")?.bytes.toString() ?? "";
    assert.equal((JSON.parse(manifest) as { layers: unknown[] }).layers.length, 2);
  });

  test("of several targets the first is the image, when the others succeed", async () => {
    const stages = "FROM scratch AS app\nCOPY file /\nFROM fixture:busybox AS tests\nARG CODE=0\nRUN exit $CODE\n";
    writeFileSync(join(folder, "targets"), stages);
    const name = `${registry.host}/targets`;
    const args = [
      "-c",
      join(folder, "app"),
      "-f",
      join(folder, "targets"),
      "-d",
      name,
      "--target=app",
      "--target",
      "tests",
    ];
    assert.equal((await job([...args, "--build-arg=CODE=7"])).code, 7);
    assert.equal(registry.manifests.get("targets"), undefined);
    const ended = await job(args);
    assert.equal(ended.code, 0, ended.stderr);
    const manifest = registry.manifests.get("targets")?.get("latest")?.bytes.toString() ?? "";
    assert.equal((JSON.parse(manifest) as { layers: unknown[] }).layers.length, 1);
  });

  test("what it cannot obey it refuses by name, what changes nothing it takes", async () => {
    const base = ["--no-push", "-c", join(folder, "app")];
    const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [["--destinations=x"], /unknown flag: --destinations.*--destination/],
      [["-c", join(folder, "app")], /needs a --destination/],
      [["--no-push", "-c", join(folder, "nowhere")], /nowhere" does not exist/],
      [["--no-push", "-c", "ftp://x"], /unknown scheme "ftp"/],
      [["--no-push", "-c", "s3://"], /names no bucket/],
      [["--no-push", "-c", `tar://${folder}/nope.tgz`], /there is no archive/],
      [[...base, "--compression=lz4"], /neither gzip nor zstd/],
      [[...base, "--compression-level=10"], /"10" is no number up to 9/],
      [[...base, `--image-name-with-digest-file=${folder}/names`], /needs a --destination/],
      [[...base, "--snapshot-mode=quick"], /"quick" is none of full, redo, time/],
      [[...base, "--verbosity=loud"], /"loud" is none of/],
      [[...base, "--registry-map=x"], /is not A=B/],
      [[...base, "--git=branch=x"], /--git is for a git:\/\/ context/],
      [[...base, "word"], /unknown command "word"/],
      [[...base, "-f", "Missing"], /Missing/],
    ];
    for (const [args, says] of cases) {
      const ended = await job(args);
      assert.equal(ended.code, 1, args.join(" "));
      assert.match(ended.stderr, says);
    }
    const harmless = ["--snapshotMode=redo", "--use-new-run", "--cleanup", "--force", "--skip-unused-stages=true", "--compressed-caching=false", "--build-arg=NO_SUCH_VARIABLE"]; // prettier-ignore
    const ended = await job([...base, ...harmless, "--log-format=text"]);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /level=warning msg="--build-arg: NO_SUCH_VARIABLE is not set/);
    assert.match(ended.stderr, /level=warning msg=".*--snapshotMode: files are compared as they are/);
  });

  test("it answers to kaniko's path", async () => {
    const link = join(folder, "executor");
    symlinkSync(join(import.meta.dirname, "../../bin/tsbuild.js"), link);
    const help = execFileSync(process.execPath, [link, "--help"], { encoding: "utf8" });
    assert.match(help, /--destination/);
    assert.equal(basename(link), "executor");
    assert.match(execFileSync(process.execPath, [link, "version"], { encoding: "utf8" }), /^tsbuild \d/);
  });
});

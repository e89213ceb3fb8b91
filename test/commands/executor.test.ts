// `tsbuild executor` as jobs call it: what they give it, what they read from it, and how it ends.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import type { TestContext } from "node:test";
import { serveSmart } from "../source/git-servers.ts";
import { git, HAS_GIT } from "../source/support.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";
import { type Ended, type Room, Running, type StartOptions, Workshop } from "../robustness/workshop.ts";

const COPIES = "FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\nCOPY . /src\n";

suite("a job", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  let room: Room;
  let registry: MemoryRegistry;
  let folder: string;
  before(async () => {
    workshop = await Workshop.open();
    room = workshop.room({ Dockerfile: COPIES });
    registry = await startMemoryRegistry();
    folder = mkdtempSync(join(tmpdir(), "tsbuild-job-"));
    mkdirSync(join(folder, "app/sub"), { recursive: true });
    writeFileSync(join(folder, "app/Dockerfile"), COPIES);
    writeFileSync(join(folder, "app/file"), "file\n");
    writeFileSync(join(folder, "app/left-out"), "x");
    writeFileSync(join(folder, "app/.dockerignore"), "left-out\nsub\n");
    writeFileSync(join(folder, "app/sub/Dockerfile"), "FROM scratch\nCOPY below /\n");
    writeFileSync(join(folder, "app/sub/below"), "below\n");
    execFileSync("tar", ["--sort=name", "-czf", join(folder, "app.tgz"), "-C", join(folder, "app"), "."]);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    await workshop.close();
  });

  const job = async (args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
    await new Running(["--root", room.root, "executor", ...args], room.home, options).ended;
  const digestOf = async (args: readonly string[], options: StartOptions = {}): Promise<string> => {
    const file = join(folder, "out", "digest");
    const ended = await job(["--reproducible", "--digest-file", file, ...args], options);
    assert.equal(ended.code, 0, ended.stderr);
    const digest = readFileSync(file, "utf8");
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    rmSync(join(folder, "out"), { recursive: true });
    return digest;
  };

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

  test("every destination gets the image, and files tell what it is", async () => {
    const names = [`${registry.host}/team/app:1`, `${registry.host}/team/app:latest`, `${registry.host}/other`];
    const files = { plain: join(folder, "names"), tagged: join(folder, "tagged"), builder: join(folder, "builder") };
    const digest = await digestOf(
      [
        ...["--context", join(folder, "app"), "--build-arg=WHO=me", "--label", "a=b", "--annotation=k=v"],
        ...names.flatMap((name) => ["-d", name]),
        ...["--image-name-with-digest-file", files.plain, "--image-name-tag-with-digest-file", files.tagged],
      ],
      { env: { BUILDER_OUTPUT: files.builder } },
    );
    for (const repository of ["team/app", "other"]) {
      const found = registry.manifests.get(repository)?.get("latest");
      assert.ok(found, repository);
      const manifest = JSON.parse(found.bytes.toString()) as { annotations: object; config: { digest: string } };
      assert.deepEqual(manifest.annotations, { k: "v" });
      const config = registry.blobs.get(repository)?.get(manifest.config.digest)?.toString() ?? "";
      assert.deepEqual((JSON.parse(config) as { config: { Labels: object } }).config.Labels, { who: "me", a: "b" });
    }
    assert.ok(registry.manifests.get("team/app")?.has("1"));
    const [app, other] = [`${registry.host}/team/app`, `${registry.host}/other`];
    assert.equal(readFileSync(files.plain, "utf8"), [app, app, other].map((name) => `${name}@${digest}\n`).join(""));
    const tagged = [`${app}:1`, `${app}:latest`, `${other}:latest`];
    assert.equal(readFileSync(files.tagged, "utf8"), tagged.map((name) => `${name}@${digest}\n`).join(""));
    const lines = readFileSync(join(files.builder, "images"), "utf8").trim().split("\n");
    assert.deepEqual(JSON.parse(lines[0] ?? ""), { name: `${app}:1`, digest });
  });

  test("who may not push is told before anything is built; what was built and not pushed has a code of its own", async () => {
    await using proxy = await startFaultProxy(registry.host);
    const more = ["--digest-file", join(folder, "never"), "--push-retry=0"];
    const args = ["-c", join(folder, "app"), "-d", `${proxy.host}/denied`, ...more];
    proxy.decide = ({ method }) => (method === "POST" ? { kind: "answer", status: 403 } : undefined);
    const early = await job(args);
    assert.equal(early.code, 1);
    assert.match(early.stderr, /the permission to push of .*denied.*HTTP 403/);
    assert.doesNotMatch(early.stderr, /COPY/);
    proxy.decide = ({ method }) => (method === "PUT" ? { kind: "answer", status: 403 } : undefined);
    const late = await job([...args, "--insecure"]);
    assert.equal(late.code, 76);
    const [, next = ""] =
      /the image is kept: `tsbuild (.*? executor push --resume .*?)` sends what/.exec(late.stderr) ?? [];
    assert.match(next, /\/denied:latest .*--push-retry=0/);
    assert.ok(!existsSync(join(folder, "never")));
    assert.equal((await new Running(next.split(" "), room.home).ended).code, 76);
    proxy.decide = () => undefined;
    const pasted = await new Running(next.split(" "), room.home).ended;
    assert.equal(pasted.code, 0, pasted.stderr);
    const sent = [...(registry.manifests.get("denied")?.keys() ?? [])];
    assert.ok(sent.includes("latest") && sent.includes(readFileSync(join(folder, "never"), "utf8")));
    rmSync(join(folder, "never"));
    proxy.decide = ({ url, method }) =>
      method === "PUT" && url.includes("/manifests/")
        ? { kind: "answer", status: 400, body: '{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}' }
        : undefined;
    assert.equal((await job(args)).code, 76);
    assert.equal((await job([...args, "--push-ignore-immutable-tag-errors"])).code, 0);
  });

  test("a pod that is told to end in the middle of a RUN, or of a push, says so last and leaves nothing half", async () => {
    await using proxy = await startFaultProxy(registry.host);
    writeFileSync(join(folder, "sleeps"), "FROM fixture:busybox\nRUN echo begun; sleep 1000\n");
    const reached = Promise.withResolvers<void>();
    const start = (file: string): Running => {
      const args = [
        "-c",
        join(folder, "app"),
        "-f",
        file,
        "-d",
        `${proxy.host}/ends`,
        "--digest-file",
        join(folder, "ends"),
      ];
      return new Running(["--root", room.root, "executor", ...args], room.home);
    };
    const running = start(join(folder, "sleeps"));
    await running.until((output) => output.includes("begun\n"), "the step");
    proxy.decide = ({ method, url }) => {
      if (method !== "PUT" || !url.includes("/manifests/")) return undefined;
      reached.resolve();
      return { kind: "wait", ms: 60_000 };
    };
    const pushing = start(join(folder, "app/Dockerfile"));
    await Promise.race([reached.promise, pushing.ended]);
    for (const ended of await Promise.all([running.kill("SIGTERM"), pushing.kill("SIGTERM")])) {
      assert.equal(ended.code, 143, ended.stderr);
      assert.match(ended.stderr.trim().split("\n").at(-1) ?? "", /stopped by SIGTERM$/);
    }
    assert.equal(registry.manifests.get("ends"), undefined);
    assert.ok(!existsSync(join(folder, "ends")));
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
    const harmless = ["--snapshotMode=redo", "--use-new-run", "--cleanup", "--force", "--skip-unused-stages=true", "--compressed-caching=false"]; // prettier-ignore
    const ended = await job([...base, ...harmless, "--log-format=text"]);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /level=warning msg=".*--snapshotMode: files are compared as they are/);
  });

  test("what a job wrote to a file or a folder is pushed later, everywhere that takes it", async () => {
    const [tar, layout] = [join(folder, "later.tar"), join(folder, "later")];
    const files = ["--tar-path", tar, "--oci-layout-path", layout];
    const digest = await digestOf(["--no-push", "-c", join(folder, "app"), ...files]);
    await using proxy = await startFaultProxy(registry.host);
    proxy.decide = ({ url, method }) =>
      method === "PUT" && url.includes("/fixed/manifests/")
        ? { kind: "answer", status: 400, body: '{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}' }
        : undefined;
    const names = ["fixed:1", "later:1", "later:2"].flatMap((name) => ["-d", `${proxy.host}/${name}`]);
    const partly = await job(["push", layout, ...names]);
    assert.equal(partly.code, 76);
    assert.match(partly.stderr, /fixed: .*the tag is immutable \(a tag that is there stays what it is/);
    const written = join(folder, "later.digest");
    const all = await job(["push", layout, ...names, "--push-ignore-immutable-tag-errors", "--digest-file", written]);
    assert.equal(all.code, 0, all.stderr);
    assert.equal(readFileSync(written, "utf8"), digest);
    for (const tag of ["1", "2", digest]) assert.ok(registry.manifests.get("later")?.has(tag), tag);
    assert.equal((await job(["push", tar, "-d", `${registry.host}/archive`])).code, 0);
    assert.ok(registry.manifests.get("archive")?.has("latest"));
    const missing = await job(["push", join(folder, "nothing"), "-d", `${registry.host}/archive`]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /there is no image at ".*nothing"/);
  });

  test("a bucket of the old kind, logins that moved with --kaniko-dir, a digest that goes to a URL", async () => {
    const moved = join(folder, "moved");
    mkdirSync(join(moved, ".docker"), { recursive: true });
    const auth = Buffer.from("me:from the folder").toString("base64");
    await using proxy = await startFaultProxy(registry.host);
    writeFileSync(join(moved, ".docker/config.json"), JSON.stringify({ auths: { [proxy.host]: { auth } } }));
    proxy.decide = ({ requestHeaders }) =>
      requestHeaders.authorization === `Basic ${auth}`
        ? undefined
        : { kind: "answer", status: 401, headers: { "www-authenticate": 'Basic realm="here"' } };
    const told: string[] = [];
    const server = createServer((request, response) => {
      if (request.method === "GET" && request.url?.includes("context.tar.gz"))
        return void response.end(readFileSync(join(folder, "app.tgz")));
      void text(request).then((body) => {
        told.push(`${request.method} ${request.url} ${request.headers["content-type"]} ${body}`);
        response.writeHead(204).end();
      });
    });
    await using listening = await listenOnLoopback(server);
    const env = { STORAGE_EMULATOR_HOST: listening.url, DOCKER_CONFIG: join(folder, "elsewhere") };
    const args = ["--bucket", "builds", "--kaniko-dir", moved, "-d", `${proxy.host}/moved`];
    const ended = await new Running(["executor", ...args, "--digest-file", `${listening.url}/digest`], room.home, {
      env,
    }).ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.doesNotMatch(ended.stderr, new RegExp(auth));
    const [digest = ""] = [...(registry.manifests.get("moved")?.keys() ?? [])].filter((name) => name.includes(":"));
    assert.deepEqual(told, [`PUT /digest text/plain ${digest}`]);
    assert.ok(existsSync(join(moved, "tsbuild/index.json")));
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

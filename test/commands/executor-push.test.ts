// What jobs of the executor push, and what becomes of it when they cannot.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { type Ended, Running } from "../robustness/workshop.ts";
import { JobPlace } from "./job-place.ts";

suite("a job that pushes", { skip: whyNoBusybox() ?? false }, () => {
  let place: JobPlace;
  let room: JobPlace["room"];
  let registry: JobPlace["registry"];
  let folder: JobPlace["folder"];
  before(async () => {
    place = await JobPlace.open();
    ({ room, registry, folder } = place);
  });
  after(() => place.close());

  const job = (...given: Parameters<JobPlace["job"]>): Promise<Ended> => place.job(...given);
  const digestOf = (...given: Parameters<JobPlace["digestOf"]>): Promise<string> => place.digestOf(...given);

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
    const body = '{"errors":[{"code":"UNAUTHORIZED","message":"Your authorization token has expired."}]}';
    proxy.decide = () => ({ kind: "answer", status: 401, headers: { "www-authenticate": 'Basic realm="x"' }, body });
    const auths = { [proxy.host]: { auth: Buffer.from("me:hush").toString("base64") } };
    const expired = await job(args, { env: { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) } });
    assert.equal(expired.code, 1);
    assert.match(
      expired.stderr,
      /refuses the credentials of "me": UNAUTHORIZED: Your authorization token has expired\./,
    );
    assert.doesNotMatch(expired.stderr, /hush|bWU6/);
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
      const context = ["-c", join(folder, "app"), "-f", file];
      const args = [...context, "-d", `${proxy.host}/ends`, "--digest-file", join(folder, "ends")];
      return new Running(["--root", room.root, "executor", ...args], room.home);
    };
    const running = start(join(folder, "sleeps"));
    await running.until((output) => output.includes("begun\n"), "the step");
    proxy.decide = ({ method, url }) => {
      if (method !== "PUT" || !url.includes("/manifests/")) return undefined;
      reached.resolve();
      return { kind: "hold" };
    };
    const pushing = start(join(folder, "app/Dockerfile"));
    await Promise.race([reached.promise, pushing.ended]);
    const lasts = await Promise.all([running.kill("SIGTERM"), pushing.kill("SIGTERM")]);
    for (const { code, stderr } of lasts) assert.equal(code, 143, stderr);
    const [ran = "", pushed = ""] = lasts.map(({ stderr }) => stderr.trim().split("\n").at(-1) ?? "");
    assert.match(ran, /stopped by SIGTERM$/);
    assert.match(pushed, /stopped by SIGTERM \(the image is kept: `tsbuild .* executor push --resume \S+\/ends/);
    assert.equal(registry.manifests.get("ends"), undefined);
    assert.ok(!existsSync(join(folder, "ends")));
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
});

// `tsbuild --host`: the same command line at a daemon, with outputs, secrets and exit codes as without one.

import assert from "node:assert/strict";
import type { PromiseWithChild } from "node:child_process";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import type { ChildDaemon, Said } from "../daemon/child-daemon.ts";
import { childrenOf, failureOf, pause, startDaemon, whyNoDaemon } from "../daemon/child-daemon.ts";
import { COMPILE_CACHE } from "../support/compile-cache.ts";

const MAIN = join(import.meta.dirname, "../../bin/tsbuild.js");
const run = promisify(execFile);
const skip = whyNoDaemon();
let folder = "";
let context = "";
let daemon: ChildDaemon;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon("remote");
  folder = daemon.folder;
  context = join(folder, "context");
  await files({
    Dockerfile:
      "FROM fixture:busybox\nRUN --mount=type=secret,id=t cat /run/secrets/t > /len; wc -c < /len > /out\nFROM scratch\nCOPY --from=0 /out /\nCOPY . /c/\n",
    "a/file": "content",
    ".dockerignore": "skipped\na/*.no\n",
    skipped: "",
    "a/x.no": "",
    "fails.Dockerfile": "FROM fixture:busybox\nRUN echo said; exit 37\n",
    "lint.Dockerfile": "from scratch AS one\nCOPY a /\n",
    "sleep.Dockerfile": "FROM fixture:busybox\nRUN echo begun; sleep 1000\n",
    "layout.Dockerfile": "FROM scratch\nCOPY a/file /\n",
    "on.Dockerfile": "FROM base\nCOPY --from=base /file /copy\n",
    "docker-bake.hcl":
      'target "default" {\n  tags = ["baked"]\n  args = { X = "1" }\n  output = ["type=oci,dest=baked.tar"]\n  secret = ["id=t,env=TOKEN"]\n}\n',
  });
  await symlink("a/file", join(context, "link"));
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

test("a build's files, secret and outputs are the client's", { skip }, async () => {
  const outputs = ["-o", "out", "-o", "type=oci,dest=image.tar", "-o", "type=tar,dest=files.tar"];
  const secret = ["--secret", "id=t,env=TOKEN"];
  const { stdout } = await remote(["build", ...secret, ...outputs, "--metadata-file=m.json", "."]);
  assert.match(stdout, /^image id sha256:[0-9a-f]{64}\ndigest   sha256:/);
  assert.equal(readFileSync(join(context, "out/out"), "utf8"), "7\n");
  assert.equal(readFileSync(join(context, "out/c/link"), "utf8"), "content");
  assert.deepEqual((await readdir(join(context, "out/c/a"))).toSorted(), ["file"]);
  assert.ok(!existsSync(join(context, "out/c/skipped")));
  const metadata = JSON.parse(readFileSync(join(context, "m.json"), "utf8")) as Record<string, string>;
  const digest = metadata["containerimage.digest"] ?? "";
  const here = await run("tar", ["-xOf", join(context, "image.tar"), "index.json"]);
  assert.ok(here.stdout.includes(digest));
  assert.match((await run("tar", ["-tf", join(context, "files.tar")])).stdout, /c\/a\/file/);
  // Nothing is left beside the outputs.
  assert.deepEqual(
    (await readdir(context)).filter((name) => /tsbuild-|\.tmp$/.test(name)),
    [],
  );
});

test("the same image has the same digest as without a daemon", { skip }, async () => {
  await files({ "same.Dockerfile": "FROM scratch\nCOPY a/file /\n" });
  const args = [
    "build",
    "-f",
    "same.Dockerfile",
    "--build-arg",
    "SOURCE_DATE_EPOCH=0",
    "-o",
    "type=oci,dest=x.tar",
    ".",
  ];
  const there = await remote(args);
  const here = await local([...args, "--root", join(folder, "other")]);
  assert.equal(there.stdout, here.stdout);
});

test("a RUN that fails ends the client with its exit code, and shows the line", { skip }, async () => {
  const { code, stderr } = await failure(["build", "-f", "fails.Dockerfile", "-o", "never", "."]);
  assert.equal(code, 37);
  assert.match(stderr, /said/);
  assert.match(stderr, /ERROR: fails\.Dockerfile:2: process .* exit code: 37/);
  assert.match(stderr, />>> RUN echo said; exit 37/);
  assert.ok(!existsSync(join(context, "never")));
});

test("mistakes are told as they are here: of the file, of an output, of the address", { skip }, async () => {
  const broken = await failure(["build", "-f", "-", "."], "FROM scratch\nNONSENSE x\n");
  assert.equal(broken.code, 65);
  assert.match(broken.stderr, /Dockerfile:2: .*unknown instruction: NONSENSE/);
  const target = await failure(["build", "-f", "lint.Dockerfile", "--target", "nowhere", "."]);
  assert.equal(target.code, 65);
  const missing = await failure(["build", "-f", "-", "."], "FROM scratch\nCOPY not-there /\n");
  assert.equal(missing.code, 66);
  await files({ blocked: "a file" });
  const output = await failure(["build", "-f", "lint.Dockerfile", "-o", "type=local,dest=blocked/in", "."]);
  assert.equal(output.code, 73);
  const nobody = await failure(["build", "--host", `unix://${folder}/none.sock`, "."]);
  assert.equal(nobody.code, 66);
  assert.match(nobody.stderr, /the daemon at unix:.* cannot be reached/);
  const flag = await failure(["build", "--on-error=shell", "."]);
  assert.equal(flag.code, 125);
  assert.match(flag.stderr, /--on-error cannot be asked of a daemon/);
});

test("questions are answered, and contexts may be piped in", { skip }, async () => {
  const check = await failure(["build", "--check", "-f", "lint.Dockerfile", "."]);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /FromAsCasing/);
  assert.match((await remote(["build", "--call=targets", "-f", "lint.Dockerfile", "."])).stdout, /^one/m);
  const piped = await remote(["build", "-o", "type=cacheonly", "-"], "FROM fixture:busybox\nRUN true\n");
  assert.match(piped.stderr, /RUN true/);
});

test("bake, du and prune go there too", { skip }, async () => {
  const baked = await remote(["bake"]);
  assert.match(baked.stderr, /digest   sha256:/);
  assert.ok(existsSync(join(context, "baked.tar")));
  assert.match((await remote(["du"])).stdout, /\nTotal:/);
  assert.match((await remote(["prune", "--force", "--all"])).stdout, /^Total:/m);
});

test("image layouts of this side are outputs, caches and contexts", { skip }, async () => {
  await files({
    "kept/old": "",
  });
  const outputs = ["-t", "laid:1", "-o", "type=oci,tar=false,dest=layout", "-o", "type=docker,dest=laid.tar"];
  await remote(["build", "-f", "layout.Dockerfile", ...outputs, "--cache-to=type=local,dest=cache", "."]);
  const listed = (name: string): string => readFileSync(join(context, name, "index.json"), "utf8");
  assert.match(listed("layout"), /"io\.containerd\.image\.name":"docker\.io\/library\/laid:1"/);
  assert.match(listed("cache"), /"org\.opencontainers\.image\.ref\.name":"latest"/);
  assert.ok(!existsSync(join(context, "layout/.tsbuild")));

  const local = ["-o", "type=local,dest=kept,mode=delete", "--allow=buildx.local.delete"];
  const contexts = ["--build-context=base=oci-layout://layout", "--cache-from=type=local,src=cache"];
  await remote(["build", "-f", "on.Dockerfile", ...contexts, ...local, "."]);
  assert.deepEqual((await readdir(join(context, "kept"))).toSorted(), ["copy", "file"]);
  const archive = ["--build-context=base=docker-archive:laid.tar", "-o", "type=cacheonly"];
  assert.match(
    (await remote(["build", "-f", "on.Dockerfile", ...archive, "."])).stderr,
    /COPY --from=base.*\n.*CACHED/,
  );
});

test("an image that fails to be sent leaves no layout", { skip }, async () => {
  const { code } = await failure(["build", "-f", "fails.Dockerfile", "-o", "type=oci,tar=false,dest=none", "."]);
  assert.equal(code, 37);
  assert.ok(!existsSync(join(context, "none")));
});

test("--load brings the image into the store here", { skip }, async () => {
  const root = join(folder, "loaded");
  const { stdout } = await remote(["build", "-f", "layout.Dockerfile", "--load", "-t", "here:1", "--root", root, "."]);
  const id = /^image id sha256:(\w{12})/.exec(stdout)?.[1] ?? "";
  assert.match((await local(["images", "--root", root])).stdout, new RegExp(`^here +1 +${id}`, "m"));
});

test("targets of bake are built on others there, and asked about alone", { skip }, async () => {
  await files({
    "linked.hcl":
      'target "base" {\n  dockerfile-inline = "FROM scratch\\nCOPY a/file /"\n}\n' +
      'target "default" {\n  contexts = { base = "target:base" }\n  dockerfile = "on.Dockerfile"\n  output = ["linked"]\n}\n',
  });
  await remote(["bake", "-f", "linked.hcl"]);
  assert.equal(readFileSync(join(context, "linked/copy"), "utf8"), "content");
  assert.match((await remote(["bake", "-f", "linked.hcl", "--check"])).stdout, /Check complete/);
});

test("a daemon is reached through ssh, and what ssh says is told", { skip }, async () => {
  // It runs the command here, as a machine of that name would.
  const ssh = join(folder, "bin/ssh");
  await mkdir(dirname(ssh), { recursive: true });
  await writeFile(
    ssh,
    '#!/bin/sh\necho "$*" >> "$SSH_LOG"\nwhile [ "$1" != -- ]; do shift; done\ncase $2 in lost) echo no route >&2; exit 255;; esac\nexec sh -c "$3"\n',
  );
  await writeFile(join(folder, "bin/tsbuild"), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
  for (const name of ["ssh", "tsbuild"]) await chmod(join(folder, "bin", name), 0o755);
  const log = join(folder, "ssh.log");
  const environment = { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`, SSH_LOG: log };
  const args = ["build", "-f", "layout.Dockerfile", "-o", "through-ssh", "."];
  await start(args, { ...environment, TSBUILD_HOST: `ssh://me@there:22${daemon.socket}` });
  assert.equal(readFileSync(join(context, "through-ssh/file"), "utf8"), "content");
  assert.match(readFileSync(log, "utf8"), /-l me -p 22 -- there tsbuild dial-stdio --host 'unix:\/\/\/.*'\n/);
  const lost = await failureOf(start(args, { ...environment, TSBUILD_HOST: "ssh://lost" }));
  assert.equal(lost.code, 66);
  assert.match(lost.stderr, /the daemon at ssh:\/\/lost cannot be reached: ssh to lost ended with 255\n.*no route/);
  const flag = await failureOf(start(args, { TSBUILD_HOST: "ssh://-oProxyCommand=x" }));
  assert.match(flag.stderr, /is no address of a daemon/);
});

test("a build that is stopped here leaves no process there", { skip }, async () => {
  const building = remote(["build", "-f", "sleep.Dockerfile", "."]);
  const failed = assert.rejects(building, { code: 130 });
  let said = "";
  building.child.stderr?.on("data", (chunk: string | Buffer) => (said += chunk.toString()));
  while (!/begun\n/.test(said)) await pause();
  building.child.kill("SIGINT");
  await failed;
  while (childrenOf(daemon.pid).length > 0) await pause();
});

/** The program, told by its environment where the work is done. */
function remote(args: readonly string[], stdin?: string): PromiseWithChild<Said> {
  return start(args, { TSBUILD_HOST: daemon.address, TOKEN: "hunter2" }, stdin);
}

function local(args: readonly string[]): PromiseWithChild<Said> {
  return start(args, {});
}

function start(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  stdin = "",
): PromiseWithChild<Said> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    BUILDKIT_PROGRESS: "plain",
    ...COMPILE_CACHE,
    ...environment,
  };
  const started = run(process.execPath, [MAIN, ...args], { env, cwd: context, encoding: "utf8" });
  started.child.stdin?.end(stdin);
  return started;
}

async function failure(args: readonly string[], stdin?: string): ReturnType<typeof failureOf> {
  return await failureOf(remote(args, stdin));
}

async function files(all: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(all)) {
    await mkdir(dirname(join(context, name)), { recursive: true });
    await writeFile(join(context, name), text);
  }
}

// What an ordinary user can do: everything that runs nothing without any namespace, RUN with subordinate ids or with a
// single one, and a clear word where it cannot be.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import {
  type Ended,
  isRoot,
  nobodyRuns,
  type Room,
  Running,
  TSBUILD,
  userWithSubordinateIds,
  Workshop,
} from "./workshop.ts";

/** Nobody has this number: no name, no subordinate ids. */
const SINGLE = 64_123;

suite("an ordinary user", { skip: whyNoBusybox() ?? (isRoot ? false : "needs root, to become ordinary users") }, () => {
  const many = userWithSubordinateIds();
  const skipMany =
    many === undefined ? "needs a user with ranges in /etc/subuid and /etc/subgid, and newuidmap" : false;
  const skipNone = whyNoForeignNamespace() ?? false;
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  test(
    "builds without RUN, and RUN steps that are known, where no user namespace can be had at all",
    { skip: skipNone },
    async () => {
      const room = roomOf(SINGLE, "FROM fixture:busybox\nCOPY --chown=5:6 file /\nWORKDIR /w\n");
      await withoutNamespaces(room, ["-t", "copy", "-o", "type=oci,dest=copy.tar"]);
      assert.ok(existsSync(join(room.home, "copy.tar")));

      writeFileSync(join(room.context, "Dockerfile"), "FROM fixture:busybox\nRUN echo x >/x\nCOPY file /\n");
      await room.succeed([], { uid: SINGLE });
      const cached = await withoutNamespaces(room, ["-t", "run"]);
      assert.match(cached.stderr, /RUN echo x[^\n]*\n#\d+ CACHED/);

      const refused = await withoutNamespaces(room, ["--no-cache"], 77);
      assert.match(refused.stderr, /RUN needs namespaces, but this machine allows no user namespaces/);
      assert.match(refused.stderr, /as root: sysctl/);
    },
  );

  test(
    "with subordinate ids gives files away, becomes other users, and takes all of it away again",
    { skip: skipMany },
    async () => {
      const uid = many ?? 0;
      const dockerfile = [
        "FROM fixture:busybox",
        "RUN echo one >/one && chown 1000:1000 /one && mkdir -p /home/guest && chown guest:guest /home/guest && chmod 700 /home/guest",
        "USER guest",
        'RUN test "$(stat -c %u /one)" = 1000 && test "$HOME" = / && echo two >/home/guest/two',
        "USER 70:60000",
        "RUN id",
        "COPY --from=fixture:busybox --chown=7:8 /etc/passwd /copied",
        'RUN test "$(stat -c %u:%g /copied)" = 7:8',
      ];
      const room = roomOf(uid, `${dockerfile.join("\n")}\n`);
      const built = await room.succeed(["-t", "x", "-o", "type=oci,dest=out.tar"], { uid });
      assert.match(built.stderr, /uid=70 gid=60000/);
      assert.doesNotMatch(built.stderr, /warning/i);
      assert.deepEqual(room.temporaries(), []);
      // Outside the namespace: all is known, and the files of others are read from their blobs.
      const again = await room.succeed(["-o", "type=local,dest=tree"], { uid });
      assert.equal(again.stderr.match(/CACHED/g)?.length, 5, again.stderr);
      assert.equal(readFileSync(join(room.home, "tree/home/guest/two"), "utf8"), "two\n");
      // A step upon what lies in the store.
      writeFileSync(
        join(room.context, "Dockerfile"),
        `${dockerfile.join("\n")}\nUSER root\nRUN rm -r /home && echo more >>/one\n`,
      );
      await room.succeed(["-t", "y"], { uid });
    },
  );

  test("with a single id runs steps, is told once what will not work, and what did not", async () => {
    const room = roomOf(SINGLE, "FROM fixture:busybox\nRUN echo one >/one; rm -r /root; id -u\nRUN test ! -e /root\n");
    const plain = await room.succeed(["-t", "x"], { uid: SINGLE });
    assert.equal(plain.stderr.match(/only one user id is available/g)?.length, 1, plain.stderr);
    assert.match(plain.stderr, /usermod --add-subuids/);

    const refusals: readonly (readonly [step: string, code: number, says: RegExp])[] = [
      ["RUN chown 1000:1000 /etc/passwd", 1, /only one user id is available/],
      ["USER guest\nRUN id", 77, /id 1000, which this user namespace does not have[^]*subordinate ids/],
      ["COPY --chown=5:6 file /\nRUN id", 77, /"\/file" belongs to 5:6[^]*\/etc\/subuid/],
    ];
    for (const [step, code, says] of refusals) {
      writeFileSync(join(room.context, "Dockerfile"), `FROM fixture:busybox\n${step}\n`);
      const refused = await room.build([], { uid: SINGLE });
      assert.equal(refused.code, code, refused.stderr);
      assert.match(refused.stderr, says);
    }
  });

  test("needs no home folder where --root names the store, and is told so where it does not", async () => {
    const room = roomOf(SINGLE, "FROM fixture:busybox\nRUN echo x >/x\n");
    await room.succeed([], { uid: SINGLE, env: { HOME: "" } });
    const nowhere = ["build", "--progress", "plain", room.context];
    const ended = await new Running(nowhere, room.home, { uid: SINGLE, env: { HOME: "" } }).ended;
    assert.equal(ended.code, 78, ended.stderr);
    assert.match(ended.stderr, /user 64123 has no home folder[^]*--root/);
  });

  test("gives a context on standard input to the program that runs once more in a namespace", async () => {
    const room = roomOf(SINGLE, "FROM fixture:busybox\nCOPY file /\nRUN cat /file\n");
    const tar = spawnSync("tar", ["-C", room.context, "--owner=0", "--group=0", "-c", "."]).stdout;
    const args = ["--root", room.root, "build", "--progress", "plain", "-"];
    const ended = await new Running(args, room.home, { uid: SINGLE, input: tar }).ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /\d hello$/m);
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    test(
      `${signal} in the middle of a RUN: the step dies, and the next build takes away the files of other ids`,
      { skip: skipMany },
      async () => {
        const uid = many ?? 0;
        const marker = `40${signal.length}.${process.pid}`;
        const room = roomOf(
          uid,
          `FROM fixture:busybox\nRUN mkdir /d && echo x >/d/f && chown -R 5:5 /d && chmod 700 /d && echo started && sleep ${marker}\n`,
        );
        const running = room.start([], { uid });
        await running.until((output) => / started$/m.test(output), "the step");
        const ended = await running.kill(signal);
        await nobodyRuns(marker);
        if (signal === "SIGINT") {
          assert.equal(ended.code, 130, ended.stderr);
          assert.deepEqual(room.temporaries(), []);
        }
        writeFileSync(join(room.context, "Dockerfile"), "FROM fixture:busybox\nRUN true\n");
        await room.succeed([], { uid });
        assert.deepEqual(room.temporaries(), []);
      },
    );
  }

  function roomOf(uid: number, dockerfile: string): Room {
    const room = workshop.room({ Dockerfile: dockerfile, file: "hello\n" });
    const { status } = spawnSync("chown", ["-R", `${uid}:${uid}`, room.home]);
    assert.equal(status, 0);
    return room;
  }
});

/** The program as an ordinary user of a user namespace in which no further one may be made. */
async function withoutNamespaces(room: Room, args: readonly string[], code = 0): Promise<Ended> {
  const become = [
    "setpriv",
    `--reuid=${SINGLE}`,
    `--regid=${SINGLE}`,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
  ];
  const command = [
    ...become,
    process.execPath,
    TSBUILD,
    "--root",
    room.root,
    "build",
    "--progress",
    "plain",
    ...args,
    room.context,
  ];
  const ended = await inForeignNamespace(`echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"`, command, room.home);
  assert.equal(ended.code, code, ended.stderr);
  return ended;
}

/** A shell script as root of a new namespace that has the ids of this one. Only the second exec there has its rights. */
async function inForeignNamespace(script: string, args: readonly string[], home: string): Promise<Ended> {
  const env = { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", HOME: home };
  const child = spawn(
    "unshare",
    ["--user", "--", "/bin/sh", "-c", 'read go <&3; exec /bin/sh -c "$@"', "sh", script, "sh", ...args],
    { stdio: ["ignore", "pipe", "pipe", "pipe"], env, cwd: home },
  );
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code: code ?? -1, ...said })));
  const own = readFileSync("/proc/self/uid_map", "utf8");
  for (let attempt = 0; attempt < 500 && readFileSync(`/proc/${child.pid}/uid_map`, "utf8") === own; attempt++)
    await sleep(5);
  for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${map}`, "0 0 70000");
  const go = child.stdio[3];
  if (go && "end" in go) go.end("\n");
  return await ended;
}

/** Undefined where the kernel lets root make such a namespace. */
function whyNoForeignNamespace(): string | undefined {
  if (!isRoot) return undefined;
  const { status } = spawnSync("unshare", ["--user", "--", "true"]);
  return status === 0 && spawnSync("setpriv", ["--version"]).status === 0
    ? undefined
    : "needs unshare(1) and setpriv(1), and a kernel with user namespaces";
}

// `tsbuild run`, from the outside: what the program sees, what it may do, how it ends, and that nothing is left of it.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import { type Ended, isRoot, mountsBelow, nobodyRuns, type Room, Running, somebodyRuns, Workshop } from "../robustness/workshop.ts"; // prettier-ignore

const DOCKERFILE = `
FROM fixture:busybox
RUN mkdir /data /w && echo seed >/data/seed && ln -s data /link
RUN echo 'extra:x:77:' >>/etc/group
ENV FROM_IMAGE=image BOTH=image
VOLUME /data /new/volume
WORKDIR /w
ENTRYPOINT ["/bin/echo", "entry"]
CMD ["command"]
`;

/** Whether other ids than the user's own can be had. */
const manyIds = isRoot || readFileSync("/etc/subuid", "utf8").includes(`${userInfo().username}:`);

suite("run", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  let room: Room;
  let imageId = "";
  before(async () => {
    workshop = await Workshop.open();
    room = workshop.room({ Dockerfile: DOCKERFILE });
    const archive = `type=docker,dest=${join(room.home, "image.tar")}`;
    const layout = `type=oci,tar=false,dest=${join(room.home, "layout")}`;
    await room.succeed(["-t", "x", "-o", "type=image", "-o", archive, "-o", layout, "--iidfile", "id"]);
    imageId = readFileSync(join(room.home, "id"), "utf8");
  });
  after(() => workshop.close());

  const start = (args: readonly string[], options = {}): Running =>
    new Running(["--root", room.root, "run", ...args], room.home, options);
  const run = async (args: readonly string[], options = {}): Promise<Ended> => await start(args, options).ended;
  /** A shell script in the image; its output. */
  const script = async (text: string, args: readonly string[] = [], options = {}): Promise<string> => {
    const ended = await run([...args, "--entrypoint", "sh", "x", "-ec", text], options);
    assert.equal(ended.code, 0, ended.stderr);
    return ended.stdout;
  };

  test("joins entrypoint and command as docker does", async () => {
    const cases: readonly (readonly [args: readonly string[], stdout: string])[] = [
      [["x"], "entry command\n"],
      [["x", "a", "-b"], "entry a -b\n"],
      [["--entrypoint", "/bin/echo", "x", "c"], "c\n"],
      [["--entrypoint", "", "x", "echo", "bare"], "bare\n"],
    ];
    for (const [args, stdout] of cases) assert.equal((await run(args)).stdout, stdout, args.join(" "));
    const nothing = await run(["--entrypoint", "", "x"]);
    assert.equal(nothing.code, 125);
    assert.match(nothing.stderr, /the image has no command/);
  });

  test("its exit code is the program's; 126 and 127 when there is none to run, 125 for everything of our own", async () => {
    const cases: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
      [["--entrypoint", "sh", "x", "-c", "exit 42"], 42, /^$/],
      [["--entrypoint", "nowhere", "x"], 127, /exec: "nowhere": executable file not found in \$PATH/],
      [["--entrypoint", "/etc/passwd", "x"], 126, /exec: "\/etc\/passwd": permission denied/],
      [["--bogus", "x"], 125, /unknown flag: --bogus/],
      [["--pull", "never", "missing"], 125, /no image "missing" in the store/],
      [["-u", "nobody-here", "x"], 125, /unable to find user nobody-here/],
      [["--rm=false", "x"], 125, /always thrown away/],
      [["-v", "./missing:/m", "x"], 125, /cannot mount ".*\/missing" on "\/m": it is not there/],
      [["-v", "name:/m", "x"], 125, /"name" is the name of a volume/],
      [["-it", "x"], 125, /-it: standard input is not a terminal/],
    ];
    for (const [args, code, says] of cases) {
      const ended = await run(args);
      assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stderr}`);
      assert.match(ended.stderr, says);
      assert.equal(ended.stdout, "");
    }
  });

  test("standard input is handed over with -i, and empty without", async () => {
    const input = "x".repeat(1 << 20);
    assert.equal((await run(["-i", "--entrypoint", "wc", "x", "-c"], { input })).stdout.trim(), String(input.length));
    assert.equal((await run(["--entrypoint", "wc", "x", "-c"], { input })).stdout.trim(), "0");
  });

  test("variables: the image's, over them the files', over them -e; what is not set anywhere is taken away", async () => {
    writeFileSync(join(room.home, "one.env"), "\uFEFF# a comment\nBOTH=file one\n  FILE='quoted'\nFROM_OUTSIDE\n\n");
    const flags = ["--env-file", "one.env", "-e", "BOTH=flag", "-e", "EMPTY=", "-e", "FROM_IMAGE", "-h", "box"];
    const env = { FROM_OUTSIDE: "outside" };
    const lines = (await script("env", flags, { env })).trim().split("\n");
    const found = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
    const { SHLVL: _level, PWD: _pwd, ...rest } = found;
    assert.deepEqual(rest, {
      PATH: "/bin",
      HOME: "/root",
      HOSTNAME: "box",
      BOTH: "flag",
      FILE: "'quoted'",
      EMPTY: "",
      FROM_OUTSIDE: "outside",
    });
    const wrong = await run(["--env-file", "id", "--env-file", "nowhere", "x"]);
    assert.match(wrong.stderr, /--env-file: cannot read "nowhere"/);
  });

  test("who it is, where, and what it sees of the machine", async () => {
    const look = "id -u; id -G; pwd; hostname; cat /etc/hosts /etc/resolv.conf; ulimit -n; df -k /dev/shm | tail -n1";
    const flags = [
      ...["-w", "/made/up", "-h", "box", "--add-host", "db:10.0.0.7", "--dns", "10.1.2.3", "--dns-search", "corp.test"],
      ...[
        "--ulimit",
        "nofile=200:300",
        "--shm-size",
        "8m",
        ...(manyIds ? ["-u", "guest", "--group-add", "extra"] : []),
      ],
    ];
    const shown = await script(look, flags);
    assert.match(shown, manyIds ? /^1000\n1000 77\n\/made\/up\nbox\n/ : /^0\n0( 77)?\n\/made\/up\nbox\n/);
    assert.match(shown, /^10\.0\.0\.7\tdb$/m);
    assert.match(shown, /^nameserver 10\.1\.2\.3\n200\n/m);
    assert.match(shown, /^search corp\.test$/m);
    assert.doesNotMatch(shown, /nameserver (?!10\.1\.2\.3)/);
    assert.match(shown, /\s8192\s.*\/dev\/shm/);
  });

  test("folders and files of the machine are mounted, also by a relative path and read-only; memory too", async () => {
    mkdirSync(join(room.home, "shared/sub"), { recursive: true });
    writeFileSync(join(room.home, "shared/file"), "of the machine\n");
    const shown = await script(
      "cat /ro/file /one; echo new >/rw/new; ! touch /ro/x 2>/dev/null; test -d /ro/sub;" +
        "cp /bin/busybox /t/true; ! /t/true 2>/dev/null; cp /bin/busybox /x/true; /x/true; stat -c %a /m; df -k /t | tail -n1",
      [
        ...["-v", "./shared:/ro:ro", "-v", `${room.home}/shared:/rw`],
        ...["--mount", `type=bind,src=${room.home}/shared/file,dst=/one,readonly`],
        ...["--tmpfs", "/t:size=4m", "--tmpfs", "/x:exec", "--mount", "type=tmpfs,target=/m,tmpfs-mode=700"],
      ],
    );
    assert.match(shown, /^of the machine\nof the machine\n700\n.*\s4096\s/s);
    assert.equal(readFileSync(join(room.home, "shared/new"), "utf8"), "new\n");
  });

  for (const snapshotter of ["overlay", "copy"]) {
    test(`with --read-only the volumes alone can be written to, and begin as the image has them (${snapshotter})`, async () => {
      const look =
        "! touch /x 2>/dev/null; ! touch /w/x 2>/dev/null; cat /link/seed; echo more >>/data/seed; touch /new/volume/y /dev/shm/z; stat -c %a /new/volume";
      assert.equal(await script(look, ["--read-only", "--snapshotter", snapshotter]), "seed\n755\n");
      assert.equal(await script("cat /data/seed; ls /new 2>&1 || true"), "seed\nls: /new: No such file or directory\n");
    });
  }

  test("capabilities are Docker's, with some added and some dropped; the filter of system calls follows", async () => {
    const bounding = async (...flags: string[]): Promise<string> =>
      (await script("grep CapBnd /proc/self/status", flags)).trim().slice(-16);
    assert.equal(await bounding("--cap-drop", "MKNOD", "--cap-add", "SYS_TIME"), "00000000a20425fb");
    assert.match((await run(["--cap-add", "bogus", "x"])).stderr, /"bogus" is not a capability/);
    await script("! mount -t tmpfs x /tmp 2>/dev/null");
    await script("mount -t tmpfs x /tmp", ["--cap-add", "SYS_ADMIN"]);
    assert.equal(await script("grep Seccomp: /proc/self/status", ["--privileged"]), "Seccomp:\t0\n");
  });

  test("an image is also found by its id, in a layout and in an archive, and by what `build -q` printed", async () => {
    for (const name of [imageId, imageId.slice(7, 20), "oci:layout", "docker-archive:image.tar"]) {
      const ended = await run([name, name]);
      assert.equal(ended.stdout, `entry ${name}\n`, ended.stderr);
    }
    const unknown = await run([`sha256:${"0".repeat(64)}`]);
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /there is no image "sha256:0+" in the store/);
    writeFileSync(join(room.context, "Unnamed"), 'FROM fixture:busybox\nCMD ["echo", "unnamed"]\n');
    const file = join(room.context, "Unnamed");
    const built = await new Running(["--root", room.root, "build", "-q", "-f", file, room.context], room.home).ended;
    assert.equal((await run([built.stdout.trim()])).stdout, "unnamed\n");
  });

  test("an image that is missing is pulled once, and named; --pull says otherwise", { skip: noRegistry }, async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/team/app:1`;
    const insecure = ["--insecure-registry", registry.host];
    const push = async (text: string): Promise<void> => {
      writeFileSync(join(room.context, "Pushed"), `FROM fixture:busybox\nRUN echo ${text} >/text\n`);
      const flags = [
        "-f",
        join(room.context, "Pushed"),
        "-o",
        `type=image,name=${name},push=true,store=false`,
        ...insecure,
      ];
      await room.succeed(flags);
    };
    const fresh = workshop.room({});
    const pull = async (...flags: string[]): Promise<Ended> =>
      await new Running(["--root", fresh.root, "run", ...insecure, ...flags, name, "cat", "/text"], fresh.home).ended;
    await push("first");
    assert.equal((await pull("--pull", "never")).code, 125);
    const first = await pull();
    assert.deepEqual([first.code, first.stdout], [0, "first\n"], first.stderr);
    assert.match(first.stderr, /pull .*team\/app:1/);
    await push("second");
    const again = await pull();
    assert.deepEqual([again.stdout, again.stderr], ["first\n", ""]);
    assert.equal((await pull("--pull", "always", "-q")).stdout, "second\n");
    assert.equal((await pull("--pull=never")).stdout, "second\n");
    const listed = await new Running(["--root", fresh.root, "images"], fresh.home).ended;
    assert.match(listed.stdout, /team\/app +1 /);
  });

  test("signals reach the program, and end one that does not handle them", async () => {
    const program = `sleep ${80_000 + (process.pid % 9000)}`;
    const cases: readonly (readonly [signal: NodeJS.Signals, script: string, code: number, stdout: string])[] = [
      ["SIGTERM", `echo ready; exec ${program}`, 143, "ready\n"],
      ["SIGINT", `echo ready; exec ${program}`, 130, "ready\n"],
      ["SIGHUP", `echo ready; exec ${program}`, 129, "ready\n"],
      ["SIGTERM", "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done", 7, "ready\ncaught\n"],
      ["SIGUSR1", "trap 'echo caught; exit 8' USR1; echo ready; while :; do sleep 0.05; done", 8, "ready\ncaught\n"],
      ["SIGTERM", "trap '' TERM; echo ready; sleep 0.5; exit 9", 9, "ready\n"],
    ];
    for (const [signal, text, code, stdout] of cases) {
      const running = start(["--entrypoint", "sh", "x", "-c", text]);
      await running.until((output) => output.includes("ready"), "the program");
      // The shell handles SIGINT; what it becomes does not.
      if (text.includes(program)) await somebodyRuns(program.replace(" ", "\0"));
      const ended = await running.kill(signal);
      assert.deepEqual([ended.code, ended.stdout, ended.stderr], [code, stdout, ""], `${signal} ${text}`);
    }
  });

  test("the third SIGINT ends even a program that ignores it", async () => {
    const running = start([
      "--entrypoint",
      "sh",
      "x",
      "-c",
      "trap 'echo no' INT; echo ready; while :; do sleep 0.05; done",
    ]);
    await running.until((output) => output.includes("ready"), "the program");
    running.child.kill("SIGINT");
    await running.until((output) => output.includes("no\n"), "the first refusal");
    running.child.kill("SIGINT");
    await running.until((output) => output.includes("no\nno\n"), "the second refusal");
    assert.equal((await running.kill("SIGINT")).code, 130);
  });

  test("nothing is left: no file, no mount, no process, whether it ends, is stopped or is killed", async () => {
    const before = mountsBelow(room.root);
    await script("echo gone >/etc/gone; mkdir /root/d");
    assert.equal(await script("ls /etc/gone /root/d 2>/dev/null || echo clean"), "clean\n");
    const mark = String(70_000 + (process.pid % 9000));
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const running = start(["--entrypoint", "sh", "x", "-c", `sleep ${mark} & echo ready; sleep ${mark}`]);
      await running.until((output) => output.includes("ready"), "the program");
      await running.kill(signal);
      await nobodyRuns(mark);
    }
    await script("true"); // sweeps what the killed one left
    assert.deepEqual(room.temporaries(), []);
    assert.deepEqual(mountsBelow(room.root), before);
    assert.ok(!existsSync(join(room.home, "gone")));
  });
});

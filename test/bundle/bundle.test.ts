// `tsbuild bundle`: the same as umoci's bundle of the image, run by runc and crun, with and without root.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test, type TestContext } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { isPlayed } from "../support/sample.ts";
import { attempt, missing } from "../peers/demo-image.ts";
import {
  type Ended,
  isRoot,
  mountsBelow,
  type Room,
  Running,
  userWithSubordinateIds,
  Workshop,
} from "../robustness/workshop.ts";

const DOCKERFILE = `
FROM fixture:busybox
RUN echo 'sound:x:29:guest' >>/etc/group
RUN mkdir -p /data/in /tmp/t /opt/gone && echo seed >/data/seed && ln -s data /link && ln /data/seed /data/hard && \\
    chmod 4755 /bin/busybox && chmod 700 /tmp/t && touch -d @12345 /data/in && mkdir /queue && mkfifo /queue/pipe
RUN rm -r /opt/gone && chown -R guest:guest /data
ENV GREETING="hello there"
WORKDIR /data
USER guest
EXPOSE 80 53/udp
VOLUME /data /new/volume /queue
LABEL own=label
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo $GREETING; id; pwd; cat /data/seed; touch /data/new && ls -d /new/volume"]
`;

const RUNTIMES = [
  ["runc", []],
  ["crun", ["--cgroup-manager=disabled"]],
] as const;

/** What the image's command shows when it is its own user. */
const SHOWN = /^hello there\nuid=1000\(guest\) gid=1000\(guest\).*\n\/data\nseed\n\/new\/volume\n$/;

const many = userWithSubordinateIds();
const NO_USER = "needs root, and a user with ranges in /etc/subuid and /etc/subgid to become";

interface Config {
  readonly process: {
    terminal: boolean;
    args: readonly string[];
    readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] };
    readonly env: readonly string[];
    readonly cwd: string;
  };
  readonly annotations: Record<string, string>;
  readonly mounts: readonly { readonly destination: string; readonly type: string }[];
  readonly linux: { readonly uidMappings?: readonly { readonly hostID: number; readonly size: number }[] };
}

suite("bundle", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  let room: Room;
  before(async () => {
    workshop = await Workshop.open();
    room = workshop.room({ Dockerfile: DOCKERFILE });
    await room.succeed(["-t", "x", "-o", "type=image", "-o", `type=oci,tar=false,dest=${room.home}/layout`]);
  });
  after(async () => {
    // Some are of other ids.
    spawnSync("unshare", ["--map-auto", "--map-root-user", "rm", "-rf", room.home]);
    await workshop.close();
  });

  const start = (args: readonly string[]): Running => new Running(["--root", room.root, "bundle", ...args], room.home);
  const bundle = async (...args: string[]): Promise<Ended> => {
    const ended = await start(args).ended;
    assert.equal(ended.code, 0, ended.stderr);
    return ended;
  };
  const configOf = (name: string): Config => JSON.parse(readFileSync(join(room.home, name, "config.json"), "utf8"));

  test("says what it made and where, and is whole", async () => {
    const { stdout, stderr } = await bundle("x", "plain");
    assert.match(stderr, /the volume \/queue begins empty/);
    assert.match(stdout, /^image id sha256:[0-9a-f]{64}\nbundle {3}\/.*\/plain\n$/);
    assert.deepEqual(readdirSync(join(room.home, "plain")).toSorted(), ["config.json", "rootfs"]);
    assert.equal((await bundle("-q", "oci:layout", "made/up/quiet")).stdout, "");
    assert.equal(configOf("plain").process.terminal, false);
    await bundle("--tty", "x", "tty");
    assert.equal(configOf("tty").process.terminal, true);
    assert.ok(configOf("tty").process.env.includes("TERM=xterm"));
  });

  test("of an image that names no command has a shell, and says so", async () => {
    const dockerfile = join(room.context, "files");
    writeFileSync(dockerfile, "FROM scratch\nCOPY files /\n");
    await room.succeed(["-t", "files", "-f", dockerfile]);
    assert.match((await bundle("files", "shell")).stderr, /the image names no command: the one in config.json is "sh"/);
    assert.deepEqual(configOf("shell").process.args, ["sh"]);
  });

  test("agrees with umoci in process, annotations, volumes and files", { skip: missing("umoci") }, async () => {
    const theirs = join(room.home, "umoci");
    const rootless = isRoot ? [] : ["--rootless"];
    execFileSync("umoci", ["unpack", ...rootless, "--image", `${room.home}/layout:${tagOfLayout(room)}`, theirs], {
      stdio: "pipe",
    });
    await bundle("x", "ours", ...(isRoot ? [] : singleIds()));
    const [a, b] = [configOf("ours"), configOf("umoci")];
    assert.deepEqual(a.process.args, b.process.args);
    assert.equal(a.process.cwd, b.process.cwd);
    // umoci sets TERM in any case, since its process always has a terminal.
    const variables = (config: Config): string[] =>
      config.process.env.filter((text) => text !== "TERM=xterm").toSorted();
    assert.deepEqual(variables(a), variables(b));
    assert.deepEqual([a.process.user.uid, a.process.user.gid], [b.process.user.uid, b.process.user.gid]);
    // A process's own group is among its groups here, as docker has it.
    const groups = ({ process: { user } }: Config) =>
      [...new Set([user.gid, ...(user.additionalGids ?? [])])].toSorted((x, y) => x - y);
    assert.deepEqual(groups(a), groups(b));
    const { "org.opencontainers.image.author": author, ...annotations } = b.annotations;
    assert.equal(author, "", "umoci notes an author where there is none");
    assert.deepEqual(a.annotations, annotations);
    // umoci's order is another one each time.
    const volumes = ({ mounts }: Config) =>
      mounts.flatMap(({ destination, type }) =>
        type === "tmpfs" && !destination.startsWith("/dev") ? destination : [],
      );
    assert.deepEqual(volumes(a), volumes(b).toSorted());
    assert.equal(listing(join(room.home, "ours/rootfs")), listing(join(theirs, "rootfs")));
  });

  for (const [runtime, flags] of RUNTIMES.filter((_, number) => isPlayed(number))) {
    /** What the bundle's process shows; `become` are words that start a program as somebody else. */
    const runBundle = (
      t: TestContext,
      name: string,
      become: readonly string[] = [],
      home = room.home,
    ): string | undefined => {
      const state = ["--root", join(home, `${runtime}-state`), ...flags];
      // A machine with both cgroup versions is more than crun takes: it is shown the first one only.
      const hide = 'test ! -e /sys/fs/cgroup/unified || mount -t tmpfs tmpfs /sys/fs/cgroup/unified; exec "$@"';
      const around = runtime === "crun" && isRoot ? ["unshare", "-m", "sh", "-c", hide, "sh"] : [];
      const command = [runtime, ...state, "run", "--bundle", join(home, name), `t-${process.pid}-${name}`];
      const [file, ...args] = [...around, ...become, ...command];
      const { status, stdout, stderr } = attempt(file ?? "", args, { cwd: home });
      if (/hybrid mode not supported/.test(stderr)) {
        t.skip(`${runtime}: cgroups in hybrid mode not supported`);
        return undefined;
      }
      assert.equal(status, 0, stderr);
      return stdout;
    };

    test(`${runtime} runs the bundle`, { skip: missing(runtime) }, async (t) => {
      await bundle("x", `${runtime}-run`);
      const shown = runBundle(t, `${runtime}-run`);
      if (shown !== undefined) assert.match(shown, SHOWN);
      // Volumes took what was written; the bundle has none of it.
      assert.equal(lstatSync(join(room.home, `${runtime}-run/rootfs/data/new`), { throwIfNoEntry: false }), undefined);
    });

    test(
      `${runtime} runs the bundle of an ordinary user`,
      { skip: many === undefined ? NO_USER : missing(runtime) },
      async (t) => {
        const uid = many ?? 0;
        const theirs = workshop.room({ Dockerfile: DOCKERFILE });
        spawnSync("chown", ["-R", `${uid}:${uid}`, theirs.home]);
        await theirs.succeed(["-t", "x"], { uid });
        const made = await new Running(["--root", theirs.root, "bundle", "x", "b"], theirs.home, { uid }).ended;
        assert.equal(made.code, 0, made.stderr);
        const become = ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
        const shown = runBundle(t, "b", become, theirs.home);
        if (shown !== undefined) assert.match(shown, SHOWN);
      },
    );

    test(
      `${runtime} runs a bundle with a user namespace`,
      { skip: isRoot ? missing(runtime) : "needs root" },
      async (t) => {
        const map = "0:300000:65536";
        await bundle("--uid-map", map, "--gid-map", map, "x", `${runtime}-mapped`);
        assert.equal(lstatSync(join(room.home, `${runtime}-mapped/rootfs/data/seed`)).uid, 301_000);
        const shown = runBundle(t, `${runtime}-mapped`);
        if (shown !== undefined) assert.match(shown, SHOWN);
      },
    );
  }

  test("with --rootless the ids are the user's own, and what that leaves out is said", async () => {
    const ended = await bundle("--rootless", "x", "rootless");
    const { uidMappings = [] } = configOf("rootless").linux;
    assert.equal(uidMappings[0]?.hostID, process.getuid?.());
    assert.match(ended.stderr, /left out: the user's other groups \(29\)/);
    const single = await bundle("x", "single", ...singleIds());
    assert.match(single.stderr, /paths belong to ids that the bundle's user namespace does not have/);
    assert.match(single.stderr, /the image's user 1000:1000 does not exist in the bundle's user namespace/);
    assert.equal(lstatSync(join(room.home, "single/rootfs/data/seed")).uid, process.getuid?.());
    // Nothing in it is anybody else's.
    rmSync(join(room.home, "single"), { recursive: true });
  });

  test("refuses a folder that is not empty, a file, and maps that are none, and leaves them as they are", async () => {
    mkdirSync(join(room.home, "full"));
    writeFileSync(join(room.home, "full/mine"), "mine");
    const cases: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
      [["x", "full"], 73, /"\/.*\/full" is not empty/],
      [["x", "full/mine"], 73, /cannot write the bundle "\/.*mine"/],
      [["nowhere.invalid/x", "new/folder"], 69, /no such host/],
      [["--pull=never", "missing", "new"], 66, /no image "missing" in the store/],
      [["x"], 125, /requires exactly 2 arguments/],
      [["--uid-map", "0:1:1", "x", "new"], 125, /--uid-map and --gid-map go together/],
      [["--uid-map", "1:1:1", "--gid-map", "0:1:1", "x", "new"], 125, /the id 0 of the bundle must be mapped/],
    ];
    for (const [args, code, says] of cases) {
      const ended = await start(args).ended;
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
    }
    assert.deepEqual(readdirSync(join(room.home, "full")), ["mine"]);
    assert.ok(!existsSync(join(room.home, "new")));
    mkdirSync(join(room.home, "empty"));
    await bundle("-q", "x", "empty");
    assert.ok(existsSync(join(room.home, "empty/config.json")));
  });

  test("a bundle that is stopped in the middle leaves nothing", async () => {
    const big = workshop.room({
      Dockerfile: "FROM fixture:busybox\nRUN mkdir /d && cd /d && for n in $(seq 1500); do echo $n >$n; done\n",
    });
    await big.succeed(["-t", "big"]);
    const running = new Running(["--root", big.root, "bundle", "big", "deep/er/bundle"], big.home);
    const folder = join(big.home, "deep/er");
    const appeared = (): boolean =>
      existsSync(folder) && readdirSync(folder).some((name) => existsSync(join(folder, name, "rootfs")));
    while (!appeared() && running.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    const ended = await running.kill("SIGTERM");
    assert.equal(ended.code, 143, ended.stderr);
    assert.ok(!existsSync(join(big.home, "deep")));
    assert.deepEqual(big.temporaries(), []);
    assert.deepEqual(mountsBelow(big.home), []);
  });
});

/** A namespace in which the user's own id is the only one. */
function singleIds(): string[] {
  return ["--rootless", "--uid-map", `0:${process.getuid?.()}:1`, "--gid-map", `0:${process.getgid?.()}:1`];
}

function tagOfLayout(room: Room): string {
  const index = JSON.parse(readFileSync(join(room.home, "layout/index.json"), "utf8"));
  return index.manifests[0].annotations["org.opencontainers.image.ref.name"];
}

/** Every path below a folder with all that a layer says of it. */
function listing(folder: string): string {
  const format = "%P %y %m %U:%G %s %l %T@ %n\\n";
  const lines = execFileSync("find", [folder, "-mindepth", "1", "-printf", format], { encoding: "utf8" })
    .trim()
    .split("\n");
  // The size of a directory is the file system's business.
  return lines
    .map((line) => line.replace(/^(.* d \d+ \S+) \d+ /, "$1 "))
    .toSorted()
    .join("\n");
}

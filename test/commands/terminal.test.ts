// What happens on a terminal: `run -it`, `build --on-error=shell` and `shell`, each on a real pseudo terminal, with a
// person's keys and a window that changes its size.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { whyNoBusybox } from "../support/busybox.ts";
import { Terminal, whyNoTerminal } from "../support/terminal.ts";
import {
  type Ended,
  mountsBelow,
  nobodyRuns,
  type Room,
  Running,
  somebodyRuns,
  TSBUILD,
  Workshop,
} from "../robustness/workshop.ts";

const DOCKERFILE = `
FROM fixture:busybox AS tools
RUN echo tool >/tool
FROM fixture:busybox
ENV COLOUR=blue
WORKDIR /work
RUN echo done >/work/done
ARG PART=engine
ARG API_TOKEN
RUN --mount=type=secret,id=key --mount=type=secret,id=pass,env=PASS --mount=type=cache,target=/cache --mount=type=bind,from=tools,target=/tools --mount=type=bind,target=/context \\
    echo kept >/work/left && rm /work/done && echo cached >/cache/entry && cp /run/secrets/key /dev/null && exit 42
RUN echo never
`;

suite("on a terminal", { skip: whyNoBusybox() ?? (await whyNoTerminal()) ?? false }, () => {
  let workshop: Workshop;
  let room: Room;
  before(async () => {
    workshop = await Workshop.open();
    room = workshop.room({ Dockerfile: DOCKERFILE });
    writeFileSync(join(room.home, "key"), "sesame\n");
  });
  after(() => workshop.close());

  /** A number of seconds by which a `sleep` is known. */
  const mark = String(80_000 + (process.pid % 9000));
  const secretArgument = ["--build-arg", "API_TOKEN=swordfish"];
  const secrets = ["--secret", "id=key,src=key", "--secret", "id=pass,env=PASSWORD"];
  const open = (
    args: readonly string[],
    size: { columns?: number; rows?: number } = {},
    more: Readonly<Record<string, string>> = {},
  ): Promise<Terminal> =>
    Terminal.open([process.execPath, "--", TSBUILD, "--root", room.root, ...args], {
      cwd: room.home,
      env: { HOME: room.home, PASSWORD: "hunter2", ...more },
      ...size,
    });
  const shellCommand = async (...args: string[]): Promise<Ended> =>
    await new Running(["--root", room.root, "shell", ...args], room.home).ended;
  /** The cache as it is: every key with its layers, and which layers there are. */
  const cacheState = (): unknown => {
    const database = new DatabaseSync(join(room.root, "tsbuild/cache.db"), { readOnly: true });
    try {
      const results = database.prepare("SELECT key, layers, name FROM results ORDER BY key").all();
      return [results, readdirSync(join(room.root, "tsbuild/layers")).toSorted()];
    } finally {
      database.close();
    }
  };

  test("run -it: size and its changes, Ctrl-C, job control with Ctrl-Z, and the exit code", async () => {
    const terminal = await open(["run", "-it", "fixture:busybox"], { columns: 91, rows: 33 });
    await terminal.until(/# $/);
    await terminal.line("stty size; echo $TERM", /\n33 91\nxterm-256color\n/);
    await terminal.line("stty -opost; printf 'a\\nb\\r\\nc\\n'; stty opost; echo end''ed", /ended/);
    assert.match(terminal.bytes, /a\nb\r\nc\n(?!\r)/);
    assert.doesNotMatch(terminal.bytes, /\r\r/);
    terminal.resize(123, 45);
    await terminal.line("while [ \"$(stty size)\" = '33 91' ]; do sleep 0.1; done; stty size", /\n45 123\n/);
    terminal.type(`sleep ${mark}\r`);
    await somebodyRuns(mark);
    terminal.type("\x03");
    await terminal.line("echo code $?", /\ncode 130\n/);
    await nobodyRuns(mark);
    terminal.type(`sleep ${mark}\r`);
    await somebodyRuns(mark);
    terminal.type("\x1a");
    await terminal.line("jobs", /\[1\]\+\s+Stopped\s+sleep \d+/);
    await terminal.line("fg", /\nsleep \d+\n/);
    terminal.type("\x03");
    await nobodyRuns(mark);
    await terminal.line("jobs; echo none", /\n(?!.*sleep)none\n/);
    terminal.type("exit 5\r");
    assert.deepEqual(await terminal.ended, { code: 5, signal: undefined });
  });

  test("run -t without -i gives a terminal to write to; a program's end by a signal is told as 128 and its number", async () => {
    const terminal = await open(["run", "-t", "fixture:busybox", "sh", "-c", "test -t 1 && echo a terminal"]);
    await terminal.until(/a terminal/);
    assert.equal((await terminal.ended).code, 0);
    const killed = await open(["run", "-it", "fixture:busybox", "sh", "-c", "echo ready; exec sleep 1000"]);
    await killed.until(/ready/);
    killed.kill("SIGTERM");
    assert.equal((await killed.ended).code, 143);
  });

  test("without a terminal the program gets none, though this one is", async () => {
    const terminal = await open([
      "run",
      "fixture:busybox",
      "sh",
      "-c",
      "test -t 0 || test -t 1 || test -t 2 || echo no''ne",
    ]);
    await terminal.until(/none/);
    assert.equal((await terminal.ended).code, 0);
  });

  test("build --on-error=shell opens a shell in the failed step, as it was; leaving it ends the build with the RUN's exit code", async () => {
    const terminal = await open(["build", "--on-error=shell", ...secrets, ...secretArgument, room.context], {
      columns: 91,
      rows: 33,
    });
    await terminal.until(/A shell in the failed step.*# $/s);
    const before = cacheState();
    assert.match(terminal.shown, /ERROR: Dockerfile:10: process .* exit code: 42/s);
    await terminal.line("stty size", /\n33 91\n/);
    terminal.resize(60, 20);
    await terminal.line("while [ \"$(stty size)\" = '33 91' ]; do sleep 0.1; done; stty size", /\n20 60\n/);
    await terminal.line(
      "pwd; ls; cat left; echo $COLOUR $PART $PASS $API_TOKEN; id -u",
      /\n\/work\nleft\nkept\nblue engine hunter2 swordfish\n0\n/,
    );
    await terminal.line("cat /run/secrets/key /cache/entry /tools/tool", /\nsesame\ncached\ntool\n/);
    await terminal.line("ls /context; touch /gone-with-it; rm left", /\nDockerfile\n/);
    terminal.type(`sleep ${mark}\r`);
    await somebodyRuns(mark);
    terminal.type("\x1a");
    await terminal.line("jobs; kill -9 %1", /Stopped\s+sleep \d+/);
    await nobodyRuns(mark);
    await terminal.line("jobs; echo none", /\nnone\n/);
    terminal.type("exit 3\r");
    assert.deepEqual(await terminal.ended, { code: 42, signal: undefined });
    assert.deepEqual(cacheState(), before, "the shell changed what is cached");
  });

  test("without a terminal --on-error=shell says so, and the build fails as it would", async () => {
    const failed = await room.build(["--on-error", "shell", ...secrets, ...secretArgument], {
      env: { PASSWORD: "hunter2" },
    });
    assert.equal(failed.code, 42);
    assert.match(failed.stderr, /--on-error=shell: standard input or output is no terminal, so no shell was opened/);
    assert.match(failed.stderr, /tsbuild shell \w{10} {3}opens a shell in \[stage-1 4\/5\] as it was when it failed/);
    const wrong = await room.build(["--on-error", "ignore"]);
    assert.equal(wrong.code, 125);
    assert.match(wrong.stderr, /--on-error: "ignore" is neither fail nor shell/);
  });

  test("shell opens the failed step of the last build afterwards, with the secrets it is given", async () => {
    const before = cacheState();
    const first = await open(["shell"]);
    await first.until(
      /as it was when it failed.*the secret "key" is not there.*the secret "pass" is not there.*API_TOKEN was not written down.*# $/s,
    );
    await first.line(
      'cat left; ls done /run/secrets /gone-with-it 2>&1 | wc -l; echo "$COLOUR <$PASS>"',
      /\nkept\n3\nblue <>\n/,
    );
    await first.line("cat /cache/entry /tools/tool; ls /context; touch /x", /\ncached\ntool\nDockerfile\n/);
    first.type("exit 7\r");
    assert.equal((await first.ended).code, 7);
    const second = await open(["shell", ...secrets], {}, { API_TOKEN: "swordfish" });
    await second.until(/as it was when it failed.*# $/s);
    await second.line(
      "cat /run/secrets/key; echo $PASS $API_TOKEN; ls /x",
      /\nsesame\nhunter2 swordfish\nls: \/x: No such file/,
    );
    second.type("exit\r");
    await second.ended;
    assert.deepEqual(cacheState(), before, "the shell changed what is cached");
  });

  test("shell opens finished steps by number, by name, by vertex and by a build's beginning", async () => {
    const list = (await shellCommand("--list")).stdout;
    const [, id = ""] = /^(\w{10}) .*failed, kept/m.exec(list) ?? [];
    const steps = (await shellCommand("--list", id.slice(0, 6))).stdout;
    assert.match(steps, new RegExp(`^${id}:\\d .*failed, kept.*RUN --mount`, "m"));
    assert.match(steps, /^failed: process .*exit code: 42$/m);
    const [, number = ""] = /:(\d+) .*RUN echo done/.exec(steps) ?? [];
    const [, name = ""] = /\[([^\]]+)\] RUN echo done/.exec(steps) ?? [];
    for (const step of [number, name]) {
      const terminal = await open(["shell", `${id.slice(0, 6)}:${step}`]);
      await terminal.until(/as it was when it was done.*# $/s);
      await terminal.line("ls; echo $COLOUR", /\ndone\nblue\n/);
      terminal.type("exit\r");
      assert.equal((await terminal.ended).code, 0);
    }
    const base = await open(["shell", `${id}:1`]);
    await base.until(/FROM.*# $/s);
    await base.line('ls / | wc -l; pwd; echo "<$COLOUR>"', /\n\/\n<>\n/);
    base.type("exit\r");
    await base.ended;
    const record = JSON.parse(readFileSync(join(room.root, `tsbuild/builds/${id}.json`), "utf8"));
    assert.doesNotMatch(JSON.stringify(record), /sesame|hunter2|swordfish/);
  });

  test("what cannot be opened is said", async () => {
    const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [["nosuchbuild"], /there is no build "nosuchbuild"/],
      [[":77"], /has no step "77"/],
      [["a", "b"], /takes one BUILD\[:STEP\]/],
    ];
    for (const [args, says] of cases) {
      const terminal = await open(["shell", ...args]);
      await terminal.until(says);
      assert.equal((await terminal.ended).code, 125);
    }
    const piped = await shellCommand();
    assert.deepEqual([piped.code, piped.stdout], [125, ""]);
    assert.match(piped.stderr, /tsbuild shell needs a terminal/);
  });

  test("of failed steps the last three are kept, and a build that succeeds is remembered with its last step", async () => {
    const kept = (): string[] =>
      readdirSync(join(room.root, "tsbuild/builds")).filter((name) => name.endsWith(".kept"));
    assert.equal(kept().length, 2); // of the two builds before
    const layers = readdirSync(join(room.root, "tsbuild/layers")).length;
    for (const code of [1, 2]) {
      writeFileSync(join(room.context, "Failing"), `FROM fixture:busybox\nRUN echo ${code} >/code; exit ${code}\n`);
      assert.equal((await room.build(["-f", join(room.context, "Failing")])).code, code);
    }
    assert.equal(kept().length, 3);
    // Two have come and one has gone.
    assert.equal(readdirSync(join(room.root, "tsbuild/layers")).length, layers + 1);
    writeFileSync(join(room.context, "Good"), "FROM fixture:busybox\nRUN echo good >/good\nCOPY Good /copied\n");
    await room.succeed(["-f", join(room.context, "Good"), "-t", "good"]);
    const terminal = await open(["shell"]);
    await terminal.until(/COPY Good \/copied.*# $/s);
    await terminal.line("cat /good; head -n1 /copied", /\ngood\nFROM fixture:busybox\n/);
    terminal.type("exit\r");
    await terminal.ended;
    assert.equal(kept().length, 3);
  });

  test("nothing is left when the terminal goes away in the middle", async () => {
    for (const command of [["run", "-it", "fixture:busybox"], ["shell"]]) {
      const terminal = await open(command);
      await terminal.until(/# $/);
      terminal.type(`sleep ${mark}\r`);
      await somebodyRuns(mark);
      terminal.kill("SIGKILL");
      await terminal.ended;
      await nobodyRuns(mark);
    }
    await new Running(["--root", room.root, "run", "fixture:busybox", "true"], room.home).ended;
    assert.deepEqual(room.temporaries(), []);
    assert.deepEqual(mountsBelow(room.root), []);
  });
});

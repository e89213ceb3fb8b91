// A step that two builds want at the same time is run by one of them; the other takes what it left.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { BuildEvent } from "../../builder/core/events.ts";
import { sweepKeyLocks, takeKeyLock } from "../../builder/store/key-lock.ts";
import { buildCase } from "../conformance/build-case.ts";
import { becomeRoot } from "../support/become-root.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { type Ended, type Room, Running, somebodyRuns, Workshop } from "./workshop.ts";

const noSandbox = await becomeRoot();

/** Says once more in the cache mount that it ran, and takes long enough for the other build to come to it. */
const DOCKERFILE = (mark: string, end = "true"): string => `\
FROM fixture:busybox
RUN --mount=type=cache,id=count,target=/count echo ${mark} >>/count/ran && sleep 1.${mark} && ${end}
RUN echo after >/after
`;

suite("a step that two builds want", { skip: noSandbox ?? whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  test("runs once in two processes", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE("11") });
    const ended = await Promise.all([room.build(), room.build(), room.build()]);
    for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
    assert.equal(count(room, "11"), 1);
    assert.equal(ended.filter(({ stderr }) => / RUN --mount[^\n]*\n#\d+ CACHED/.test(stderr)).length, 2);
    assert.equal(new Set(ended.map(({ stdout }) => /digest .*/.exec(stdout)?.[0])).size, 1);
  });

  test("runs once in two builds of one process", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE("12") });
    const cached: string[] = [];
    const build = (): Promise<string | undefined> =>
      buildCase({
        flags: ["--file", join(room.context, "Dockerfile")],
        context: room.context,
        environment: {},
        root: room.root,
        events: (event: BuildEvent) => {
          if (event.kind === "vertex" && event.cached === true && event.name.includes("--mount")) cached.push("cached");
        },
      });
    assert.deepEqual(await Promise.all([build(), build()]), [undefined, undefined]);
    assert.equal(count(room, "12"), 1);
    assert.deepEqual(cached, ["cached"]);
  });

  test("is run by the next one when the first fails or is killed", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE("13", "[ -e /count/good ]") });
    const first = room.start();
    await somebodyRuns("sleep 1.13");
    const second = room.start();
    first.child.kill("SIGKILL");
    assert.notEqual((await second.ended).code, 0, "the step fails");
    assert.equal(count(room, "13"), 2);
  });

  test("is run by each of those that ignore the cache, which begin with empty mounts and leave others theirs", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE("14", "echo lines: $(grep -c . /count/ran)") });
    const first = room.start(["--no-cache"]);
    await somebodyRuns("sleep 1.14");
    const second = room.start(["--no-cache"]);
    await sleep(400);
    const prune = (): Promise<Ended> =>
      new Running(["--root", room.root, "prune", "-f", "--filter", "type=exec.cachemount"], room.home).ended;
    assert.equal((await prune()).code, 0);
    for (const { code, stderr } of [await first.ended, await second.ended]) {
      assert.equal(code, 0, stderr);
      assert.match(stderr, /lines: 1$/m);
    }
    await prune();
    assert.deepEqual(readdirSync(join(room.root, "tsbuild/mounts")), []);
  });
});

suite("a lock on a key", () => {
  test("is had by one at a time, whether its file is new, left over or just going away", async () => {
    const home = mkdtempSync(join(tmpdir(), "tsbuild-lock-"));
    const folder = join(home, "locks");
    const signal = new AbortController().signal;
    let [holders, most] = [0, 0];
    const hold = async (): Promise<void> => {
      const lock = await takeKeyLock(folder, "key", signal);
      most = Math.max(most, ++holders);
      await sleep(2);
      holders -= 1;
      lock.release();
      lock.release();
    };
    await Promise.all(Array.from({ length: 20 }, hold));
    assert.equal(most, 1);
    const lock = await takeKeyLock(folder, "held", signal);
    writeFileSync(join(folder, "left"), "");
    sweepKeyLocks(folder);
    assert.deepEqual(readdirSync(folder), ["held"]);
    const gone = new AbortController();
    const waiting = takeKeyLock(folder, "held", gone.signal);
    gone.abort(new Error("enough"));
    await assert.rejects(waiting);
    lock.release();
    assert.deepEqual(readdirSync(folder), []);
    rmSync(home, { recursive: true });
  });
});

/** How often a step said that it ran. */
function count(room: Room, mark: string): number {
  const mounts = join(room.root, "tsbuild/mounts");
  const lines = readdirSync(mounts).flatMap((name) => readFileSync(join(mounts, name, "ran"), "utf8").split("\n"));
  return lines.filter((line) => line === mark).length;
}

// SIGINT, SIGTERM and SIGKILL in the middle of a build: it ends at once, nothing runs on, nothing stays mounted, no
// output is half there, and the next build goes on from what was done.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyOfBuild } from "../../builder/why.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { mountsBelow, nobodyRuns, type Room, type Running, Workshop } from "./workshop.ts";

/** How long the end may take; the machine may be busy. */

/** Names the processes of one test. */
let serial = 0;

interface Phase {
  readonly name: string;
  readonly signals: readonly (readonly [NodeJS.Signals, number])[];
  readonly dockerfile: (marker: string) => string;
  readonly args: (room: Room) => readonly string[];
  /** Waits until the phase is under way. */
  readonly reached: (running: Running, room: Room) => Promise<void>;
}

const BIG = "dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null";
/** What is packed by then is the layer of that step: what was done before it has been noted. */
const BIG_IS_DONE = /^#(\d+) \[3\/3\] RUN [^\n]*\n#\1 DONE/m;

const PHASES: readonly Phase[] = [
  {
    name: "a RUN",
    signals: [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ],
    dockerfile: (marker) =>
      `FROM fixture:busybox\nRUN echo first >/first\nRUN sh -c "sleep ${marker}" & echo started; sleep ${marker}\n`,
    args: () => ["-t", "x"],
    reached: (running) => running.until((output) => / started$/m.test(output), "the step"),
  },
  {
    name: "packing",
    signals: [["SIGTERM", 143]],
    dockerfile: () => `FROM fixture:busybox\nRUN echo first >/first\nRUN ${BIG}\n`,
    args: () => ["-o", "type=oci,dest=out.tar,compression=gzip,compression-level=9"],
    reached: (running, room) =>
      running.until(
        (output) => BIG_IS_DONE.test(output) && room.temporaries().some((name) => name.startsWith("tmp/")),
        "packing",
      ),
  },
  {
    name: "the export",
    signals: [["SIGINT", 130]],
    dockerfile: () => `FROM fixture:busybox\nRUN echo first >/first\nRUN ${BIG}\n`,
    args: () => ["-o", "type=oci,dest=out.tar,compression=uncompressed"],
    reached: (running, room) =>
      running.until(() => readdirSync(room.home).some((name) => name.includes("out.tar")), "the export"),
  },
  {
    name: "the export to a folder",
    signals: [["SIGINT", 130]],
    dockerfile: () => `FROM fixture:busybox\nRUN echo first >/first\nRUN ${BIG}\n`,
    args: () => ["-o", "type=local,dest=out.tar"],
    reached: (running, room) =>
      running.until(() => readdirSync(room.home).some((name) => name.includes("out.tar")), "the export"),
  },
];

suite("a build that is interrupted", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  for (const phase of PHASES) {
    for (const [signal, code] of phase.signals) {
      test(`${signal} in the middle of ${phase.name}: exit ${code} at once, and nothing stays`, async () => {
        const { room, running, marker } = await reach(phase);
        const ended = await running.kill(signal);
        assert.equal(ended.code, code, ended.stderr);
        await nothingStays(room, marker);
        assert.deepEqual(room.temporaries(), []);
        if (phase.name === "a RUN") assert.deepEqual((await whyOfBuild(room.root, undefined)).steps.map(({ outcome }) => outcome), ["ran", "cancelled"]); // prettier-ignore
        assert.doesNotMatch(ended.stderr, /internal error|INTERNAL|at .*\.js:/);
        await goesOn(room);
      });
    }
    test(`SIGKILL in the middle of ${phase.name}: the step dies too, and the next build cleans up and succeeds`, async () => {
      const { room, running, marker } = await reach(phase);
      await running.kill("SIGKILL");
      await nothingStays(room, marker, ".tmp");
      // What was just done may not have been noted yet.
      await goesOn(room, phase.name !== "a RUN");
      assert.deepEqual(room.temporaries(), []);
      if (phase.name.startsWith("the export")) assert.deepEqual(readdirSync(room.home).filter((name) => name.endsWith(".tmp")), []); // prettier-ignore
    });
  }

  test("a second signal does not wait for an orderly end", async () => {
    const { running } = await reach(PHASES[0] ?? assert.fail());
    running.child.kill("SIGTERM");
    const ended = await running.kill("SIGTERM");
    assert.equal(ended.code, 143);
  });

  async function reach(phase: Phase): Promise<{ room: Room; running: Running; marker: string }> {
    const marker = `${3000 + serial++}.${process.pid}`;
    const room = workshop.room({ Dockerfile: phase.dockerfile(marker) });
    const running = room.start(phase.args(room));
    await phase.reached(running, room);
    return { room, running, marker };
  }

  async function nothingStays(room: Room, marker: string, tolerated = "\0"): Promise<void> {
    await nobodyRuns(marker);
    assert.deepEqual(mountsBelow(room.home), []);
    assert.ok(!existsSync(join(room.home, "out.tar")), "a partial output");
    assert.deepEqual(readdirSync(room.home).filter((name) => name.includes("out.tar") && !name.endsWith(tolerated)), []); // prettier-ignore
  }

  /** The same steps once more, the endless one taken out: what was done is not done again. */
  async function goesOn(room: Room, isCached = true): Promise<void> {
    const file = join(room.context, "Dockerfile");
    writeFileSync(file, readFileSync(file, "utf8").replace(/^RUN sh -c.*$/m, "RUN echo second"));
    const ended = await room.succeed(["-o", "type=oci,dest=out.tar,compression=uncompressed"]);
    if (isCached) assert.match(ended.stderr, /\[2\/3\] RUN echo first[^\n]*\n#\d+ CACHED/);
  }
});

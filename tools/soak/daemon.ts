// Many builds, one after the other and a few at once, through one daemon: some go well, some fail, some are given up by
// their client in the middle. Nothing may be left of them: memory, file descriptors, mounts, processes and temporary files
// are counted after the first builds and after the last. DAEMON_BUILDS (200, at least 51) says how many. Fails on the first thing that
// is wrong, and prints figures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { buildThrough, connectTo, offerOf, openSession, statusOf } from "../../test/support/build-client.ts";
import { REST_AFTER_MS } from "../../src/daemon/rest.ts";
import { buildBase, whyNoBusybox } from "../../test/support/busybox.ts";

const BUILDS = Number(process.env["DAEMON_BUILDS"] ?? "200");
/** What is loaded late, or is kept of the last builds, is there after so many. */
const WARM = 50;
const LANES = 2;
const MOST_IDLE_KB = 120 << 10;
const MOST_GROWTH = 1.1;
const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");

const missing = whyNoBusybox();
if (missing !== undefined) {
  console.error(`the soak test of the daemon ${missing}`);
  process.exit(1);
}

/** What a daemon holds. */
interface Held {
  readonly rssKb: number;
  readonly files: readonly string[];
  readonly mounts: number;
  readonly children: readonly number[];
  readonly temporary: readonly string[];
}

const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-soak-"));
const { storeRoot } = await buildBase(folder);
const socket = path.join(folder, "d.sock");
const daemon = spawn(process.execPath, [TSBUILD, "--root", storeRoot, "daemon", "--addr", `unix://${socket}`], {
  stdio: ["ignore", "ignore", "pipe"],
});
let log = "";
daemon.stderr.on("data", (chunk: Buffer) => (log = `${log}${chunk.toString("utf8")}`.slice(-10_000)));
const ended = once(daemon, "exit");
try {
  while (!existsSync(socket)) {
    assert.equal(daemon.exitCode, null, log);
    await sleep(50);
  }
  const idle = held();
  tell("idle", idle);
  assert.ok(idle.rssKb < MOST_IDLE_KB, `the idle daemon takes ${idle.rssKb} KiB`);
  let next = 0;
  const lane = async (until: number): Promise<void> => {
    for (let number = next++; number < until; number = next++) await oneBuild(number);
  };
  const lanes = async (until: number): Promise<Held> => {
    next = Math.min(next, until);
    await Promise.all(Array.from({ length: LANES }, () => lane(until)));
    next = until;
    return await settled();
  };
  const warm = await lanes(WARM);
  tell(`after ${WARM} builds`, warm);
  const last = await lanes(BUILDS);
  tell(`after ${BUILDS} builds`, last);
  const kinds = ["mounts", "children", "temporary", "files"] as const;
  for (const kind of kinds) assert.deepEqual(counted(last[kind]), counted(warm[kind]), `${kind} are left`);
  assert.ok(last.rssKb < MOST_IDLE_KB, `the daemon takes ${last.rssKb} KiB when it has come to rest`);
  const growth = last.rssKb / warm.rssKb;
  assert.ok(growth < MOST_GROWTH, `the daemon's memory grew by ${Math.round((growth - 1) * 100)} %`);
  console.log(
    `memory grew by ${((growth - 1) * 100).toFixed(1)} % in ${BUILDS - WARM} builds, nothing is left of them`,
  );
} finally {
  daemon.kill("SIGTERM");
  await ended;
  rmSync(folder, { recursive: true, force: true });
}

/** Of five builds one fails, and one is given up while its step runs. */
async function oneBuild(number: number): Promise<void> {
  const ref = `soak ${number}`;
  const client = await connectTo(socket);
  const kind = number % 5;
  const command = kind === 3 ? "exit 4" : kind === 4 ? "sleep 100" : `echo ${number}`;
  const dockerfile = `FROM fixture:busybox\nCOPY file /\nRUN ${command} >/made && echo told\n`;
  const offer = offerOf({ Dockerfile: dockerfile, file: `content ${number}`, padding: "x".repeat(100_000) });
  try {
    const session = `session ${number}`;
    const exporters = [{ type: kind === 0 ? "oci" : "tar", attrs: new Map<string, string>() }];
    if (kind === 4) {
      openSession(client, session, offer);
      const cancel = new AbortController();
      const built = buildThrough(client, { ref, session, exporters }, {}, cancel.signal);
      built.catch(() => undefined);
      void statusOf(client, ref).catch(() => undefined);
      await sleep(500);
      cancel.abort(new Error("given up"));
      await built.catch(() => undefined);
      return;
    }
    await using _session = openSession(client, session, offer);
    const built = buildThrough(client, { ref, session, exporters }, {});
    if (kind === 3) await assert.rejects(built, /exit code: 4/);
    else await built;
    if (kind === 1) await statusOf(client, ref);
  } finally {
    client[Symbol.dispose]();
  }
}

/** What the daemon holds when it has come to rest: when nothing of builds is under way, and their memory is given back. */
async function settled(): Promise<Held> {
  await sleep(Math.max(...REST_AFTER_MS));
  let before = held();
  for (let calm = 0; calm < 8;) {
    await sleep(500);
    const now = held();
    calm = now.files.length === before.files.length && now.children.length === 0 ? calm + 1 : 0;
    before = now;
  }
  return before;
}

function held(): Held {
  const proc = `/proc/${daemon.pid}`;
  const status = readFileSync(`${proc}/status`, "utf8");
  const rssKb = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? "0");
  const files = readdirSync(`${proc}/fd`).flatMap((fd) => {
    try {
      return [nameOf(readlinkSync(`${proc}/fd/${fd}`))];
    } catch {
      return []; // closed meanwhile
    }
  });
  const mounts = readFileSync(`${proc}/mountinfo`, "utf8").split("\n").length;
  const tasks = readFileSync(`${proc}/task/${daemon.pid}/children`, "utf8");
  const children = tasks
    .split(" ")
    .filter((pid) => pid !== "")
    .map(Number);
  const work = path.join(storeRoot, "tsbuild/work");
  const temporary = existsSync(work) ? readdirSync(work) : [];
  return { rssKb, files: files.sort(), mounts, children, temporary };
}

function counted(what: number | readonly (string | number)[]): unknown {
  if (typeof what === "number") return what;
  const counts = new Map<string | number, number>();
  for (const one of what) counts.set(one, (counts.get(one) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Without what is another number each time. */
function nameOf(target: string): string {
  return target.replace(/\[\d+\]|status-[0-9a-f-]+|#\d+|:\d+/g, "").replace(folder, "");
}

function tell(when: string, { rssKb, files, mounts, children, temporary }: Held): void {
  const counts = `${files.length} descriptors, ${mounts} mounts, ${children.length} children, ${temporary.length} temporary`;
  console.log(`${when}: ${(rssKb / 1024).toFixed(1)} MiB, ${counts}`);
}

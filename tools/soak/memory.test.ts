// Large layers under a small limit of memory: made by RUN or copied, one or several, packed and pushed while the kernel holds
// the job to 256 MB. LAYER_MB (1024) says how large. Needs root and the memory controller of cgroups.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildBase, whyNoBusybox } from "../../test/support/busybox.ts";
import { noRegistry, startRegistry } from "../../test/transport/registry-server.ts";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");
const LIMIT_BYTES = 256 << 20;
const LAYER_MB = Number(process.env["LAYER_MB"] ?? "1024");
const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";

/** A cgroup of the memory controller's, in either version of it. */
function makeGroup(): { readonly folder: string; readonly isV2: boolean } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const isV2 = existsSync(path.join(V2, "cgroup.controllers"));
  if (!isV2 && !existsSync(path.join(V1, "memory.limit_in_bytes"))) return undefined;
  const folder = path.join(isV2 ? V2 : V1, `tsbuild-memory-${process.pid}`);
  mkdirSync(folder);
  writeFileSync(path.join(folder, isV2 ? "memory.max" : "memory.limit_in_bytes"), String(LIMIT_BYTES));
  if (isV2) writeFileSync(path.join(folder, "memory.swap.max"), "0");
  return { folder, isV2 };
}

/** What a group's processes have of their own at the moment, without files that are cached. */
function ownBytes({ folder, isV2 }: NonNullable<ReturnType<typeof makeGroup>>): number {
  const stat = readIfThere(path.join(folder, "memory.stat"));
  return Number((isV2 ? /^anon (\d+)/m : /^total_rss (\d+)/m).exec(stat)?.[1] ?? 0);
}

const PART_MB = Math.floor(LAYER_MB / 4);
const random = (file: string, sizeMb: number): string => `dd if=/dev/urandom of=${file} bs=1M count=${sizeMb}`;
/** Each Dockerfile makes layers of LAYER_MB together, which no compressor makes smaller. */
const CASES: readonly (readonly [name: string, instructions: string])[] = [
  ["a layer of RUN", `RUN ${random("/large", LAYER_MB)}\n`],
  ["a layer of COPY", "COPY large /large\n"],
  ["several layers", [1, 2, 3, 4].map((part) => `RUN ${random(`/large${part}`, PART_MB)}\n`).join("")],
];

suite("memory", { skip: whyNoBusybox() ?? noRegistry }, () => {
  for (const [name, instructions] of CASES)
    test(`${name}: ${LAYER_MB} MB are built and pushed within 256 MB`, async (t) => {
      const group = makeGroup();
      if (group === undefined) return t.skip("needs root and the memory controller of cgroups");
      const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-memory-"));
      try {
        const { storeRoot } = await buildBase(folder);
        await using registry = await startRegistry();
        const context = path.join(folder, "context");
        mkdirSync(context);
        writeFileSync(path.join(context, "Dockerfile"), `FROM fixture:busybox\n${instructions}`);
        if (instructions.startsWith("COPY"))
          execFileSync("/bin/sh", ["-c", random("large", LAYER_MB)], { cwd: context, stdio: "ignore" });
        const job = ["--root", storeRoot, "executor", "-c", context, "-d", `${registry.host}/large`];
        const script = `echo $$ >"$0/cgroup.procs" && exec "$@"`;
        const child = spawn("/bin/sh", ["-c", script, group.folder, process.execPath, TSBUILD, ...job], {
          stdio: ["ignore", "ignore", "pipe"],
        });
        let stderr = "";
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
        const ended = new Promise<number | null>((resolve) => void child.on("close", resolve));
        let peakBytes = 0;
        let isOver = false;
        void ended.then(() => (isOver = true));
        while (!isOver) {
          peakBytes = Math.max(peakBytes, ownBytes(group));
          await sleep(100);
        }
        assert.equal(await ended, 0, stderr);
        const killed = readIfThere(path.join(group.folder, group.isV2 ? "memory.events" : "memory.oom_control"));
        assert.equal(/oom_kill (\d+)/.exec(killed)?.[1] ?? "0", "0");
        t.diagnostic(`the job's own memory, with all its processes, was at most ${Math.round(peakBytes / 2 ** 20)} MB`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
        rmdirSync(group.folder);
      }
    });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

// A large layer under a small limit of memory: made by RUN, packed and pushed while the kernel holds the job to 256 MB.
// LAYER_MB (1024) says how large. Needs root and the memory controller of cgroups.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
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

suite("memory", { skip: whyNoBusybox() ?? noRegistry }, () => {
  test(`a layer of ${LAYER_MB} MB is built and pushed within 256 MB`, async (t) => {
    const group = makeGroup();
    if (group === undefined) return t.skip("needs root and the memory controller of cgroups");
    const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-memory-"));
    try {
      const { storeRoot } = await buildBase(folder);
      await using registry = await startRegistry();
      const context = path.join(folder, "context");
      mkdirSync(context);
      const run = `RUN dd if=/dev/urandom of=/large bs=1M count=${LAYER_MB}`;
      writeFileSync(path.join(context, "Dockerfile"), `FROM fixture:busybox\n${run}\n`);
      const job = ["--root", storeRoot, "executor", "-c", context, "-d", `${registry.host}/large`];
      const script = `echo $$ >"$0/cgroup.procs" && exec "$@"`;
      const child = spawn("/bin/sh", ["-c", script, group.folder, process.execPath, TSBUILD, ...job], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const ended = new Promise<number | null>((resolve) => void child.on("close", resolve));
      let peakKb = 0;
      let isOver = false;
      void ended.then(() => (isOver = true));
      while (!isOver) {
        const status = readIfThere(`/proc/${child.pid}/status`);
        peakKb = Math.max(peakKb, Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0));
        await sleep(200);
      }
      assert.equal(await ended, 0, stderr);
      const killed = readIfThere(path.join(group.folder, group.isV2 ? "memory.events" : "memory.oom_control"));
      assert.equal(/oom_kill (\d+)/.exec(killed)?.[1] ?? "0", "0");
      t.diagnostic(`the job's own memory was at most ${Math.round(peakKb / 1024)} MB`);
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

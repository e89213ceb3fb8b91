// Steps below a cgroup of the caller's.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { ownMemoryLimit } from "../../builder/executor/cgroup.ts";
import { chooseExecutor, probeDrivers } from "../../builder/executor/choose.ts";
import { readHostFacts } from "../../builder/executor/host-facts.ts";
import { setMemoryLimit } from "../../builder/executor/memory-limit.ts";
import { Bench } from "./step-fixture.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const parent = `tsbuild-test-${process.pid}`;
const isVersion2 = readHostFacts().cgroup === "v2";
const directory = join("/sys/fs/cgroup", isVersion2 ? "" : "memory", parent);
const why = process.geteuid?.() === 0 ? makeLimited() : "needs root, to make cgroups";

suite("a step below --cgroup-parent", { skip: why ?? false }, () => {
  const bench = new Bench();
  after(() => {
    bench[Symbol.dispose]();
    rmdirSync(directory);
  });

  test("has its limits, says when they killed it, and leaves no cgroup", async () => {
    const { executor } = await chooseExecutor({ require: "launcher" });
    const small = await bench.run(executor, "grep -c . /proc/self/cgroup", { cgroupParent: parent });
    assert.deepEqual([small.exitCode, small.outOfMemory], [0, undefined]);
    const large = await bench.run(executor, "exec tail /dev/zero", { cgroupParent: parent });
    assert.deepEqual([large.exitCode, large.signal, large.outOfMemory], [137, "SIGKILL", true]);
    const own = ownMemoryLimit();
    assert(own === undefined || own > 2 ** 20, String(own));
    assert(!existsSync(join(directory, "tsbuild")), readdirSync(directory).join(" "));
  });

  test("max-memory of the daemon's configuration is the limit of what its builds run", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-cgroup-"));
    const config = join(folder, "daemon.toml");
    writeFileSync(config, `[worker.oci]\nmax-memory = "48MiB"\ndefaultCgroupParent = "/${parent}/daemon"\n`);
    const args = [
      MAIN,
      "--root",
      join(folder, "root"),
      "daemon",
      "--config",
      config,
      "--addr",
      `unix://${folder}/d.sock`,
    ];
    const daemon = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    const ended = once(daemon, "exit");
    try {
      for await (const chunk of daemon.stderr) if (String(chunk).includes("listening")) break;
      const file = join(directory, "daemon", isVersion2 ? "memory.max" : "memory.limit_in_bytes");
      assert.equal(readFileSync(file, "utf8").trim(), String(48 << 20));
    } finally {
      daemon.kill();
      await ended;
      if (existsSync(join(directory, "daemon"))) rmdirSync(join(directory, "daemon"));
      rmSync(folder, { recursive: true });
    }
  });

  test("is refused by the drivers that put no step into a cgroup", async () => {
    for (const { driver, usable } of await probeDrivers()) {
      if (!usable || driver === "launcher") continue;
      const { executor } = await chooseExecutor({ require: driver });
      await assert.rejects(
        bench.run(executor, "true", { cgroupParent: parent }),
        (error) => error instanceof BuildError && error.code === "SANDBOX" && error.message.includes(driver),
      );
    }
  });
});

/** Makes the cgroup with a limit of 24 MiB; why it could not. */
function makeLimited(): string | undefined {
  try {
    setMemoryLimit(parent, 24 << 20);
    if (isVersion2) writeFileSync(join(directory, "memory.swap.max"), "0");
    return undefined;
  } catch (error) {
    return `no cgroup can be made here: ${String(error)}`;
  }
}

// Steps below a cgroup of the caller's.

import assert from "node:assert/strict";
import { existsSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { chooseExecutor, probeDrivers } from "../../builder/executor/choose.ts";
import { readHostFacts } from "../../builder/executor/host-facts.ts";
import { setMemoryLimit } from "../../builder/executor/memory-limit.ts";
import { Bench } from "./step-fixture.ts";

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
    assert(!existsSync(join(directory, "tsbuild")), readdirSync(directory).join(" "));
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

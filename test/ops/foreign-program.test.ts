// A step for another architecture says what is missing before it runs, and only when its program is really foreign.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { hostPlatform } from "../../builder/core/image/platform.ts";
import { elfProgram } from "../../builder/executor/elf.ts";
import { StackTree } from "../../builder/layer/tree/stack-tree.ts";
import type { PlannedProgram } from "../../builder/ops/foreign-program.ts";
import { requireEmulation } from "../../builder/ops/foreign-program.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-foreign-"));
after(() => rmSync(temp, { recursive: true, force: true }));
// One that this machine is not.
const host = hostPlatform();
const FOREIGN = host.architecture === "s390x" ? "mips64le" : "s390x";
const hasEmulator = spawnEmulated();

function spawnEmulated(): boolean {
  const path = join(temp, "probe");
  writeFileSync(path, elfProgram(FOREIGN) as Uint8Array);
  chmodSync(path, 0o755);
  return spawnSync(path).status === 0;
}

const root = join(temp, "root");
for (const folder of ["bin", "usr/bin", "work"]) mkdirSync(join(root, folder), { recursive: true });
writeFileSync(join(root, "bin/foreign"), elfProgram(FOREIGN) as Uint8Array);
writeFileSync(join(root, "bin/native"), elfProgram(host.architecture) as Uint8Array);
writeFileSync(join(root, "usr/bin/script"), "#!/bin/foreign -x\necho");
writeFileSync(join(root, "work/native-script"), "#! /bin/native\necho");
symlinkSync("/bin/foreign", join(root, "usr/bin/sh"));
symlinkSync("loop", join(root, "bin/loop"));

const check = (args: readonly string[], changes: Partial<PlannedProgram> = {}): Promise<void> =>
  requireEmulation(
    new StackTree([root], "user"),
    { args, env: ["PATH=/usr/bin:/bin"], cwd: "/work", platform: { os: "linux", architecture: FOREIGN }, ...changes },
    temp,
    new AbortController().signal,
  );

test("a foreign program without an emulator is refused, and the hint says what to register", async (t) => {
  if (hasEmulator) return t.skip("this machine emulates it");
  for (const args of [["/bin/foreign"], ["foreign"], ["sh", "-c", "true"], ["script"], ["../bin/foreign"]]) {
    await assert.rejects(check(args), (error) => {
      assert(error instanceof BuildError, String(error));
      assert.equal(error.code, "SANDBOX");
      assert.match(
        error.message,
        new RegExp(`is a program for ${FOREIGN}, and this machine is linux/${host.architecture} without an emulator`),
      );
      assert.match(error.hint ?? "", /qemu-user-static .*tonistiigi\/binfmt --install/);
      return true;
    });
  }
  return undefined;
});

test("a native program in a foreign image, and what is not there, is the sandbox's to run", async () => {
  for (const args of [["native"], ["./native-script"], ["nothing"], ["/bin/loop"], ["/bin"], []]) await check(args);
});

test("a step for this machine is not looked at", async () => {
  await check(["/bin/foreign"], { platform: host });
});

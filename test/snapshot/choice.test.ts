// Which snapshotter a store gets, by what its file system can do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { openEngine } from "../../builder/engine.ts";
import { insideSandboxUser } from "../executor/step-fixture.ts";

if (await insideSandboxUser(import.meta.url)) {
  suite("the snapshotter of a store", () => {
    test("is overlay on an ordinary file system, and copy when that was asked for", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "tsbuild-choice-"));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      assert.equal(await kindAt(join(folder, "a")), "overlay");
      assert.equal(await kindAt(join(folder, "a"), "copy"), "copy");
    });

    test("is copy where an overlay cannot have its upper: on an overlay", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "tsbuild-choice-"));
      const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
        string,
      ];
      for (const path of [lower, upper, work, merged]) mkdirSync(path);
      const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}${process.env["TSBUILD_USERNS"] === undefined ? "" : ",userxattr"}`;
      t.after(() => {
        spawnSync("umount", ["-l", merged]);
        rmSync(folder, { recursive: true, force: true });
      });
      const mounted = spawnSync("mount", ["-t", "overlay", "-o", options, "overlay", merged], { encoding: "utf8" });
      if (mounted.status !== 0) return t.skip(`no overlay can be mounted here: ${mounted.stderr}`);
      assert.equal(await kindAt(join(merged, "root")), "copy");
      await assert.rejects(kindAt(join(merged, "root"), "overlay"), (error) => {
        assert(error instanceof BuildError && error.code === "SANDBOX");
        assert.match(error.message, /^--snapshotter overlay: no overlay can be mounted in ".*": \S/);
        return true;
      });
    });
  });
}

async function kindAt(root: string, snapshotter?: "copy" | "overlay"): Promise<string> {
  await using engine = await openEngine({ root, snapshotter });
  const { kind, note } = await engine.snapshotter();
  // What was chosen for want of the better one says why; what was asked for needs no reason.
  assert.equal(note !== undefined, kind === "copy" && snapshotter === undefined);
  return kind;
}

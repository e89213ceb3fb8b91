// Our own images: what `make image` lays out, built by the program on this machine and once more by the program in that
// image, in a pod whose root cannot be written and where nothing can be mounted.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { layOutImage } from "../image/root.ts";
import { whyNoBusybox } from "../../test/support/busybox.ts";
import { Pod, whyNoPod } from "../../test/support/pod.ts";

const ROOT = join(import.meta.dirname, "../..");
const TSBUILD = join(ROOT, "bin/tsbuild.js");

suite("our own image", { skip: whyNoPod() || (whyNoBusybox() ?? false) }, () => {
  test("builds itself in a pod: the same image, byte for byte", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-own-image-"));
    try {
      const context = join(folder, "context");
      layOutImage(ROOT, context);
      const tsbuild = (...words: readonly string[]): string =>
        execFileSync(process.execPath, [TSBUILD, "--root", join(folder, "store"), ...words], { encoding: "utf8" });
      const layout = join(folder, "image");
      const dockerfile = ["-f", join(ROOT, "deploy/Dockerfile"), "--target", "debug"];
      tsbuild("build", "-q", "--reproducible", ...dockerfile, "-o", `type=oci,tar=false,dest=${layout}`, context);
      const [outside] = (
        JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] }
      ).manifests;
      tsbuild("bundle", "-q", `oci:${layout}`, join(folder, "bundle"));

      using pod = new Pod("default", join(folder, "bundle/rootfs"));
      execFileSync("cp", ["-a", context, join(pod.work, "context")]);
      cpSync(join(ROOT, "deploy/Dockerfile"), join(pod.work, "context/Dockerfile"));
      const job = ["--context", "/pod/context", "--target", "debug", "--kaniko-dir", "/pod/kaniko", "--no-push"];
      const more = ["--reproducible", "--ignore-var-run=false", "--digest-file", "/pod/digest"];
      const ended = await pod.run("/kaniko/executor", ...job, ...more);
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(readFileSync(join(pod.work, "digest"), "utf8"), outside?.digest);
      const shell = await pod.run("/busybox/sh", "-c", "/kaniko/executor version && /kaniko/tsbuild --version");
      assert.match(shell.stdout, /^(tsbuild \d\S*\n){2}$/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

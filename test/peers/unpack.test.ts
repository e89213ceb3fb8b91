// umoci takes the image apart, and the OCI runtimes run what it got.

import assert from "node:assert/strict";
import { lstatSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";

import { EXPECTED, LOOK_INSIDE } from "../../tools/demo/contexts.ts";
import { attempt, buildDemo, type DemoImage, isRoot, missing, run } from "./demo-image.ts";

suite("umoci", { skip: missing("umoci") }, () => {
  let image: DemoImage;
  let bundle = "";
  before(async () => {
    image = await buildDemo();
    bundle = path.join(image.folder, "bundle");
    const rootless = isRoot ? [] : ["--rootless"];
    run("umoci", ["unpack", ...rootless, "--image", `${image.layout}:latest`, bundle]);
    const file = path.join(bundle, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    config.process.terminal = false;
    config.process.args = ["sh", "-c", LOOK_INSIDE];
    writeFileSync(file, JSON.stringify(config));
  });
  after(() => image[Symbol.dispose]());

  test("unpacks what was built, without what was deleted", () => {
    const rootfs = path.join(bundle, "rootfs");
    assert.equal(readFileSync(path.join(rootfs, "etc/motd"), "utf8"), "HELLO FROM TSBUILD\n");
    assert.equal(lstatSync(path.join(rootfs, "usr/share/demo/old.txt"), { throwIfNoEntry: false }), undefined);
    assert.equal(lstatSync(path.join(rootfs, "usr/share/demo/pages/first.html"), { throwIfNoEntry: false }), undefined);
  });

  for (const [runtime, flags] of [
    ["runc", []],
    ["crun", ["--cgroup-manager=disabled"]],
  ] as const) {
    test(`${runtime} runs the bundle`, { skip: missing(runtime) }, (t) => {
      const state = ["--root", path.join(image.folder, `${runtime}-state`), ...flags];
      const { status, stdout, stderr } = attempt(runtime, [...state, "run", "--bundle", bundle, `tsbuild-${runtime}`]);
      if (/hybrid mode not supported/.test(stderr)) return t.skip(`${runtime}: ${stderr.trim()}`);
      assert.equal(stdout, EXPECTED, stderr);
      assert.equal(status, 0);
    });
  }
});

// Container engines load the archives and run what is in them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { EXPECTED, LOOK_INSIDE } from "../../tools/demo/contexts.ts";
import { attempt, buildDemo, type DemoImage, isRoot, missing, run } from "./demo-image.ts";

suite("container engines", () => {
  let image: DemoImage;
  before(async () => {
    image = await buildDemo();
  });
  after(() => image[Symbol.dispose]());

  for (const form of ["ociArchive", "dockerArchive"] as const) {
    test(`podman loads and runs the image (${form})`, { skip: missing("podman") }, () => {
      const own = path.join(image.folder, `podman-${form}`);
      mkdirSync(own);
      const podman = ["--root", path.join(own, "root"), "--runroot", path.join(own, "run"), "--storage-driver", "vfs"];
      assert.match(run("podman", [...podman, "load", "--input", image[form]]), /demo2:latest/);
      const id = run("podman", [...podman, "image", "inspect", "--format", "{{.Id}}", "demo2"]);
      assert.equal(`sha256:${id.trim()}`, image.imageId);
      assert.equal(podmanRun(podman), EXPECTED);
    });
  }

  test("buildah takes the archive as a base image", { skip: missing("buildah") }, () => {
    const own = path.join(image.folder, "buildah");
    mkdirSync(own);
    const flags = ["--root", path.join(own, "root"), "--runroot", path.join(own, "run"), "--storage-driver", "vfs"];
    const container = run("buildah", [...flags, "from", `oci-archive:${image.ociArchive}`]).trim();
    const cmd = run("buildah", [...flags, "inspect", "--format", "{{.OCIv1.Config.Cmd}}", container]);
    assert.equal(cmd.trim(), "[cat /etc/motd]");
  });

  for (const form of ["ociArchive", "dockerArchive"] as const) {
    test(`containerd imports the image (${form})`, { skip: noContainerd() }, async () => {
      await using containerd = await startContainerd(path.join(image.folder, `containerd-${form}`));
      const ctr = ["--address", containerd.socket, "images"];
      run("ctr", [...ctr, "import", "--snapshotter", "native", image[form]]);
      const images = run("ctr", [...ctr, "check", "--snapshotter", "native"]);
      assert.match(images, /docker\.io\/library\/demo2:latest .*complete.*true/);
    });
  }

  /** Not every runtime runs below every kind of cgroups, and no limit can be raised everywhere: the first that can. */
  function podmanRun(podman: readonly string[]): string {
    const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    const command = ["run", "--rm", "--network=none", ...limits];
    const failures: string[] = [];
    for (const [global, flags] of [
      [["--runtime", "crun"], ["--cgroups=disabled"]],
      [["--runtime", "runc", "--cgroup-manager=cgroupfs"], []],
    ] as const) {
      const args = [...podman, ...global, ...command, ...flags, "demo2", "sh", "-c", LOOK_INSIDE];
      const { status, stdout, stderr } = attempt("podman", args);
      if (status === 0) return stdout;
      failures.push(stderr);
    }
    return failures.join("\n");
  }
});

function noContainerd(): string | false {
  return isRoot ? missing("containerd", "ctr") : "containerd needs root";
}

async function startContainerd(folder: string): Promise<AsyncDisposable & { readonly socket: string }> {
  const socket = path.join(folder, "socket");
  mkdirSync(folder);
  const places = ["--root", path.join(folder, "root"), "--state", path.join(folder, "state")];
  const server = spawn("containerd", [...places, "--address", socket], { stdio: "ignore" });
  for (let tries = 0; tries < 300; tries++) {
    if (existsSync(socket) && spawnSync("ctr", ["--address", socket, "version"]).status === 0) break;
    await sleep(100);
  }
  return {
    socket,
    async [Symbol.asyncDispose]() {
      server.kill();
      await once(server, "exit");
    },
  };
}

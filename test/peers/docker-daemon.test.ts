// docker-daemon: against daemons: there and back, beside skopeo, and a build that is loaded.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { isPlayed } from "../support/sample.ts";
import { DAEMONS, imageIdAt, type RunningDaemon } from "./daemons.ts";
import { missing, run, tsbuild } from "./demo-image.ts";

for (const kind of DAEMONS.filter((_, number) => isPlayed(number))) {
  suite(`docker-daemon: with ${kind.name}`, { skip: kind.missing }, () => {
    let folder: string;
    let daemon: RunningDaemon;
    let imageId: string;
    const context = (): string => join(folder, "context");
    const own = (...words: readonly string[]): string =>
      tsbuild(["--root", join(folder, "store"), ...words], { DOCKER_HOST: daemon.host, TMPDIR: folder });
    const json = (
      ...words: readonly string[]
    ): { images: { imageId: string }[]; digest: string; keepsManifest: boolean } =>
      JSON.parse(own(...words, "--json", "--progress", "none"));

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "tsbuild-daemon-"));
      mkdirSync(context());
      writeFileSync(join(context(), "Dockerfile"), 'FROM scratch\nCOPY Dockerfile /\nENV A=1\nCMD ["/x"]\n');
      daemon = await kind.start();
      imageId = own("build", "-q", "-t", "app:1", context()).trim();
    });
    after(async () => {
      await daemon[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    test("there and back: the image id stays, and the layers are compressed as they were", async () => {
      const made = json("copy", "store:app:1", `oci:${join(folder, "made")}:1`);
      assert.equal(json("copy", "store:app:1", "docker-daemon:app:there").images[0]?.imageId, imageId);
      assert.equal(await imageIdAt(daemon, "app:there"), imageId);
      const back = json("copy", "docker-daemon:app:there", "store:app:back");
      assert.equal(back.images[0]?.imageId, imageId);
      // One gzip, one tar, one manifest: the digest comes back as well.
      assert.equal(back.digest, made.digest);
    });

    test("by id, and with a name that it does not have", () => {
      assert.equal(json("copy", `docker-daemon:${imageId}`, "store:app:by-id").images[0]?.imageId, imageId);
      assert.throws(() => own("copy", "docker-daemon:no/such:image", "store:x"), /HTTP 404/);
    });

    test("skopeo reads what was loaded, and loads what is read", { skip: missing("skopeo") }, async () => {
      const archive = join(folder, "skopeo.tar");
      run("skopeo", [
        "copy",
        "-q",
        "--src-daemon-host",
        daemon.host,
        "docker-daemon:app:there",
        `docker-archive:${archive}:app:there`,
      ]);
      assert.equal(json("copy", `docker-archive:${archive}`, "store:app:skopeo").images[0]?.imageId, imageId);
      run("skopeo", [
        "copy",
        "-q",
        "--dest-daemon-host",
        daemon.host,
        `docker-archive:${archive}`,
        "docker-daemon:app:skopeo",
      ]);
      assert.equal(json("copy", "docker-daemon:app:skopeo", "store:app:skopeo2").images[0]?.imageId, imageId);
    });

    test("--load and -o type=docker load what was built, and keep it in the store", async () => {
      for (const [at, flags] of [["--load"], ["-o", "type=docker,compression=zstd,force-compression=true"]].entries()) {
        const tag = `loaded:${at}`;
        assert.equal(own("build", "-q", "-t", tag, ...flags, context()).trim(), imageId);
        assert.equal(await imageIdAt(daemon, tag), imageId);
        assert.match(own("images", "--format", "{{.Repository}}:{{.Tag}}"), new RegExp(`^${tag}$`, "m"));
      }
    });

    test("an image of it is a base image, as a named context", () => {
      const other = join(folder, "other");
      mkdirSync(other);
      writeFileSync(join(other, "Dockerfile"), "FROM base\nCOPY Dockerfile /other\n");
      const layout = join(folder, "based");
      own(
        "build",
        "-q",
        "--build-context",
        "base=docker-daemon:app:there",
        "-o",
        `type=oci,tar=false,dest=${layout}`,
        other,
      );
      const config = JSON.parse(run("skopeo", ["inspect", "--config", `oci:${layout}`]));
      assert.equal(config.rootfs.diff_ids.length, 2);
      assert.deepEqual(config.config.Cmd, ["/x"]);
    });

    test("tsbuild save is what it loads", async () => {
      const path = join(folder, "saved.tar");
      own("tag", "app:1", "saved:1");
      own("save", "-q", "--format", "docker-archive", "-o", path, "saved:1");
      assert.equal(json("copy", `docker-archive:${path}`, "docker-daemon:saved:2").images[0]?.imageId, imageId);
      assert.equal(await imageIdAt(daemon, "saved:2"), imageId);
    });
  });
}

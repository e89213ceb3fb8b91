// Every transport against the tools it was learnt from: what tsbuild writes they read, what they write it reads, and the
// digests are the same on both sides.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { noRegistry, startRegistry, type RunningRegistry } from "../transport/registry-server.ts";
import { isPlayed } from "../support/sample.ts";
import { buildDemo, type DemoImage, isRoot, missing, run, tsbuild } from "./demo-image.ts";

interface Told {
  readonly digest: string;
  readonly images: readonly { readonly imageId: string; readonly digest: string }[];
}

suite("places that skopeo knows", { skip: missing("skopeo") }, () => {
  let image: DemoImage;
  let folder: string;
  let registry: RunningRegistry | undefined;
  let digest: string;
  before(async () => {
    image = await buildDemo();
    folder = mkdtempSync(join(tmpdir(), "tsbuild-places-"));
    registry = noRegistry === false ? await startRegistry() : undefined;
    digest = JSON.parse(run("skopeo", ["inspect", `oci-archive:${image.ociArchive}`])).Digest;
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    image[Symbol.dispose]();
  });

  const copy = (...words: readonly string[]): Told =>
    JSON.parse(
      tsbuild(["--root", image.storeRoot, "copy", "--json", "--progress", "none", ...words], { TMPDIR: folder }),
    );
  const skopeo = (...words: readonly string[]): string => run("skopeo", words);
  const raw = (place: string): string => skopeo("inspect", "--raw", "--tls-verify=false", place);
  const digestAt = (place: string): string =>
    `sha256:${run("sh", ["-c", 'skopeo inspect --raw --tls-verify=false "$0" | sha256sum', place]).slice(0, 64)}`;
  const idAt = (place: string): string =>
    `sha256:${run("sh", ["-c", 'skopeo inspect --config --raw --tls-verify=false "$0" | sha256sum', place]).slice(0, 64)}`;

  const places: Readonly<Record<string, (name: string) => string>> = {
    registry: (name) => `docker://${registry?.host}/${name}:1`,
    oci: (name) => `oci:${folder}/${name}.oci:1`,
    "oci-archive": (name) => `oci-archive:${folder}/${name}.tar:1`,
    dir: (name) => `dir:${folder}/${name}.dir`,
  };
  for (const [kind, place] of Object.entries(places).filter((_, number) => isPlayed(number))) {
    test(
      `${kind}: each reads what the other wrote, and every digest stays`,
      { skip: kind === "registry" ? noRegistry : false },
      () => {
        const [ours, theirs] = [place("ours"), place("theirs")];
        assert.equal(copy("store:demo2", ours).digest, digest);
        assert.equal(digestAt(ours), digest);
        assert.equal(idAt(ours), image.imageId);
        skopeo("copy", "-q", "--dest-tls-verify=false", "--src-tls-verify=false", ours, theirs);
        const back = copy(theirs, `oci:${folder}/back-${kind}:1`);
        assert.equal(back.digest, digest);
        assert.equal(back.images[0]?.imageId, image.imageId);
      },
    );
  }

  test("docker-archive: each reads what the other wrote, and the image id stays", () => {
    const [ours, theirs] = [
      `docker-archive:${folder}/ours-d.tar:demo:1`,
      `docker-archive:${folder}/theirs-d.tar:demo:1`,
    ];
    copy("store:demo2", ours);
    assert.equal(idAt(ours), image.imageId);
    skopeo("copy", "-q", ours, theirs);
    assert.equal(copy(theirs, `oci:${folder}/back-d:1`).images[0]?.imageId, image.imageId);
    assert.equal(
      copy(`docker-archive:${folder}/theirs-d.tar:@0`, `oci:${folder}/back-d:2`).images[0]?.imageId,
      image.imageId,
    );
    // The very same uncompressed layers in both.
    const layersIn = (path: string): readonly string[] =>
      run("tar", ["-tf", path])
        .split("\n")
        .filter((name) => /^[0-9a-f]{64}\.tar$/.test(name))
        .toSorted();
    assert.deepEqual(layersIn(join(folder, "ours-d.tar")), layersIn(join(folder, "theirs-d.tar")));
  });

  test("dir: is the same folder as skopeo's, file by file", () => {
    copy("store:demo2", `dir:${folder}/a.dir`);
    skopeo("copy", "-q", `oci-archive:${image.ociArchive}`, `dir:${folder}/b.dir`);
    const [a, b] = [join(folder, "a.dir"), join(folder, "b.dir")];
    assert.deepEqual(readdirSync(a).toSorted(), readdirSync(b).toSorted());
    for (const name of readdirSync(a)) assert.deepEqual(readFileSync(join(a, name)), readFileSync(join(b, name)), name);
  });

  test("the other family is what skopeo makes of it, and back is the first one", () => {
    const docker = copy("--format", "v2s2", "store:demo2", `dir:${folder}/v2s2.dir`);
    skopeo("copy", "-q", "--format", "v2s2", `oci-archive:${image.ociArchive}`, `dir:${folder}/theirs-v2s2.dir`);
    const contentOf = (name: string): object => {
      const manifest = JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8"));
      return {
        ...manifest,
        layers: manifest.layers.map(({ mediaType, size, digest: own }: Record<string, unknown>) => ({
          mediaType,
          size,
          own,
        })),
      };
    };
    assert.deepEqual(contentOf("v2s2.dir"), contentOf("theirs-v2s2.dir"));
    assert.equal(docker.images[0]?.imageId, image.imageId);
    assert.equal(copy("--format", "oci", `dir:${folder}/v2s2.dir`, `dir:${folder}/again.dir`).digest, digest);
  });

  test("several platforms: an index that skopeo copies whole, and chooses from", { skip: noRegistry }, () => {
    const context = join(folder, "context");
    run("mkdir", [context]);
    run("sh", [
      "-c",
      "printf 'FROM scratch\\nARG TARGETARCH\\nCOPY Dockerfile /$TARGETARCH\\n' > \"$0/Dockerfile\"",
      context,
    ]);
    tsbuild([
      "--root",
      image.storeRoot,
      "build",
      "-q",
      "--platform",
      "linux/amd64,linux/arm64",
      "-t",
      "multi",
      context,
    ]);
    const ours = `docker://${registry?.host}/multi:1`;
    const theirs = `docker://${registry?.host}/multi:2`;
    const index = copy("--all", "store:multi", ours).digest;
    assert.equal(digestAt(ours), index);
    skopeo("copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", ours, theirs);
    assert.equal(copy("--all", theirs, `oci:${folder}/multi.oci:1`).digest, index);
    const arm = copy("--override-arch", "arm64", theirs, `oci:${folder}/multi.oci:arm`);
    const config = JSON.parse(skopeo("inspect", "--config", `oci:${folder}/multi.oci:arm`));
    assert.equal(config.architecture, "arm64");
    assert.equal(JSON.parse(raw(ours)).manifests[1].digest, arm.digest);
  });

  test(
    "one platform of several is pulled: another one comes when it is wanted, by the same index",
    { skip: noRegistry },
    () => {
      const name = `${registry?.host}/multi:1`;
      const own = (...words: readonly string[]): string =>
        tsbuild(["--root", join(folder, "sparse"), ...words], { TMPDIR: folder });
      const pulled = JSON.parse(own("pull", "--json", "--progress", "none", "--platform", "linux/amd64", name));
      assert.equal(pulled.digest, digestAt(`docker://${name}`));
      assert.equal(own("images", "--format", "{{.Platform}}"), "linux/amd64\n");
      assert.throws(
        () => own("save", "--platform", "linux/arm64", "-o", join(folder, "x.tar"), name),
        /not in the store/,
      );
      // The name is moved on: what was pulled counts.
      copy("store:demo2", `docker://${name}`);
      const context = join(folder, "upon");
      run("mkdir", [context]);
      run("sh", ["-c", 'printf "FROM $1\nCOPY Dockerfile /upon\n" > "$0/Dockerfile"', context, name]);
      const layout = join(folder, "upon.oci");
      own("build", "-q", "--platform", "linux/arm64", "-o", `type=oci,tar=false,dest=${layout}`, context);
      assert.match(own("ls", `oci:${layout}`), /arm64/);
      assert.equal(own("images", "--format", "{{.Platform}}"), "linux/amd64\nlinux/arm64\n");
    },
  );

  test("umoci unpacks what was copied", { skip: missing("umoci") }, () => {
    copy("store:demo2", `oci:${folder}/umoci.oci:1`);
    run("umoci", [
      "unpack",
      ...(isRoot ? [] : ["--rootless"]),
      "--image",
      `${folder}/umoci.oci:1`,
      join(folder, "bundle"),
    ]);
    assert.ok(readdirSync(join(folder, "bundle/rootfs")).length > 0);
    run("sh", ["-c", 'chmod -R u+rwx "$0"', join(folder, "bundle")]);
  });
});

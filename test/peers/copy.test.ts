// skopeo carries the image between all the forms an image has, and a registry keeps it; every digest stays what it was.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";

import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import { buildDemo, type DemoImage, missing, run, tsbuild } from "./demo-image.ts";

const LOGIN = { username: "somebody", password: "a secret" };

suite("skopeo", { skip: missing("skopeo") }, () => {
  let image: DemoImage;
  before(async () => {
    image = await buildDemo();
  });
  after(() => image[Symbol.dispose]());

  const digestOf = (reference: string, ...flags: readonly string[]): string =>
    JSON.parse(run("skopeo", ["inspect", ...flags, reference])).Digest;
  const idOf = (reference: string): string =>
    `sha256:${run("sh", ["-c", 'skopeo inspect --config --raw "$0" | sha256sum', reference]).slice(0, 64)}`;

  test("reads the store itself, and both archives, as one image", () => {
    const store = `oci:${image.storeRoot}:docker.io/library/demo2:latest`;
    assert.equal(idOf(store), image.imageId);
    assert.equal(idOf(`oci:${image.layout}:latest`), image.imageId);
    assert.equal(idOf(`oci-archive:${image.ociArchive}`), image.imageId);
    assert.equal(digestOf(store), digestOf(`oci-archive:${image.ociArchive}`));
    assert.equal(idOf(`docker-archive:${image.dockerArchive}`), image.imageId);
  });

  test("copies the archive through a registry and back without a change", { skip: noRegistry }, async () => {
    await using registry = await startRegistry();
    const remote = `docker://${registry.host}/demo:1`;
    const back = `oci:${path.join(image.folder, "back")}:1`;
    run("skopeo", ["copy", "--dest-tls-verify=false", `oci-archive:${image.ociArchive}`, remote]);
    run("skopeo", ["copy", "--src-tls-verify=false", remote, back]);
    const digest = digestOf(`oci-archive:${image.ociArchive}`);
    assert.equal(digestOf(remote, "--tls-verify=false"), digest);
    assert.equal(digestOf(back), digest);
  });

  for (const [how, login] of [
    ["anonymously", undefined],
    ["with the password of config.json", LOGIN],
  ] as const) {
    test(`what skopeo pushed is a base image for FROM, pulled ${how}`, { skip: noRegistry }, async () => {
      await using registry = await startRegistry(login);
      const source = `oci:${image.storeRoot}:docker.io/library/demo2:latest`;
      const credentials = login === undefined ? [] : ["--dest-creds", `${login.username}:${login.password}`];
      const target = `docker://${registry.host}/demo`;
      run("skopeo", ["copy", "--dest-tls-verify=false", ...credentials, source, target]);

      const own = path.join(image.folder, `pulled-${how.length}`);
      mkdirSync(own);
      writeFileSync(path.join(own, "Dockerfile"), `FROM ${registry.host}/demo\nCOPY Dockerfile /etc/\n`);
      const config = path.join(own, "config");
      mkdirSync(config);
      const auth = login && Buffer.from(`${login.username}:${login.password}`).toString("base64");
      const auths = auth === undefined ? {} : { [registry.host]: { auth } };
      writeFileSync(path.join(config, "config.json"), JSON.stringify({ auths }));
      const layout = path.join(own, "layout");
      const build = ["--root", path.join(own, "store"), "build", "-q", "-o", `type=oci,tar=false,dest=${layout}`, own];
      tsbuild(build, { DOCKER_CONFIG: config });

      const layersOf = (reference: string): string[] => JSON.parse(run("skopeo", ["inspect", reference])).Layers;
      assert.deepEqual(layersOf(`oci:${layout}`).slice(0, -1), layersOf(source));
    });
  }

  test("a registry that wants a password does not get past its absence", { skip: noRegistry }, async () => {
    await using registry = await startRegistry(LOGIN);
    const own = path.join(image.folder, "refused");
    mkdirSync(own);
    writeFileSync(path.join(own, "Dockerfile"), `FROM ${registry.host}/demo\n`);
    const build = ["--root", path.join(own, "store"), "build", "-q", own];
    assert.throws(() => tsbuild(build, { DOCKER_CONFIG: own }), new RegExp(`Dockerfile:1: .*${registry.host}`));
  });
});

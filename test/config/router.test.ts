// Where registries are reached, by the files that people have; what single files say stands in *-routes.test.ts.

import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseReference } from "../../builder/core/image/reference.ts";
import { ConfigHome, isError } from "./config-home.ts";

const USER_CONF = "home/.config/containers/registries.conf";
const CONF = "etc/containers/registries.conf";

test("without configuration every registry is reached as docker does", async () => {
  using home = new ConfigHome();
  assert.deepEqual(await home.route("busybox"), ["https://registry-1.docker.io library/busybox"]);
  assert.deepEqual(await home.route("quay.io/a/b"), ["https://quay.io a/b"]);
  assert.deepEqual(await home.route("localhost:5000/a"), ["http://localhost:5000|https://localhost:5000 a unchecked"]);
  assert.deepEqual(await home.route("r.example/a", ["r.example"]), ["https://r.example|http://r.example a unchecked"]);
});

test("buildkitd.toml: mirrors with paths, http and insecure hosts, certificates", async () => {
  using home = new ConfigHome({
    "home/.config/buildkit/buildkitd.toml": `
      [registry."docker.io"]
      mirrors = ["m.example:5000/hub", "n.example"]
      [registry."m.example:5000"]
      http = true
      [registry."r.example"]
      insecure = true`,
    "home/.docker/buildx/buildkitd.default.toml": `[registry."s.example"]\nhttp = true`,
    "etc/buildkit/buildkitd.toml": `[registry."docker.io"]\nmirrors = ["system.example"]\n[registry."n.example"]\ninsecure = true`,
  });
  assert.deepEqual(await home.route("busybox"), [
    "mirror http://m.example:5000 hub/library/busybox unchecked ns=docker.io",
    "mirror https://n.example|http://n.example library/busybox unchecked ns=docker.io",
    "https://registry-1.docker.io library/busybox",
  ]);
  assert.deepEqual(await home.route("r.example/x"), ["https://r.example|http://r.example x unchecked"]);
  assert.deepEqual(await home.route("s.example/x"), ["http://s.example x unchecked"]);
  home.write("home/.config/buildkit/buildkitd.toml", `[registry."x"]\nca = ["rel/ca.pem"]`);
  await assert.rejects(home.route("x.example/a"), isError("CONFIG", /"rel\/ca.pem" is not an absolute path/));
});

test("daemon.json: mirrors of Docker Hub alone, insecure hosts and ranges of addresses", async () => {
  using home = new ConfigHome({
    "etc/docker/daemon.json": JSON.stringify({
      "registry-mirrors": ["https://m.example/", "http://n.example:5000"],
      "insecure-registries": ["r.example:5000", "http://s.example", "10.1.0.0/16", "fd00::/8"],
    }),
  });
  assert.deepEqual(await home.route("busybox"), [
    "mirror https://m.example library/busybox",
    "mirror http://n.example:5000 library/busybox unchecked",
    "https://registry-1.docker.io library/busybox",
  ]);
  assert.deepEqual(await home.route("quay.io/x"), ["https://quay.io x"]);
  for (const host of ["r.example:5000", "s.example", "10.1.2.3:443", "[fd12::1]:5000"])
    assert.match((await home.route(`${host}/x`)).join(), /unchecked/, host);
  for (const host of ["r.example", "10.2.0.1"])
    assert.doesNotMatch((await home.route(`${host}/x`)).join(), /unchecked/, host);
  home.write("etc/docker/daemon.json", `{\n"registry-mirrors": [],}`);
  await assert.rejects(home.route("busybox"), isError("CONFIG", /daemon.json", line 2 is not a JSON object/));
  home.write("etc/docker/daemon.json", `{"registry-mirrors": ["https://m/path"]}`);
  await assert.rejects(home.route("busybox"), isError("CONFIG", /a mirror is https:\/\/host/));
});

suite("which of several counts", () => {
  const both = {
    [CONF]: `[[registry]]\nlocation = "docker.io/library"\n[[registry.mirror]]\nlocation = "conf.example"`,
    "etc/docker/daemon.json": JSON.stringify({ "registry-mirrors": ["https://daemon.example"] }),
    "etc/buildkit/buildkitd.toml": `[registry."docker.io"]\nmirrors = ["buildkit.example"]\nhttp = true`,
    "home/.config/docker/daemon.json": JSON.stringify({ "registry-mirrors": ["https://user.example"] }),
  };

  test("the longer name, then the user's file, then the family; mirrors of two files are never mixed", async () => {
    using home = new ConfigHome(both);
    const mirror = async (image: string): Promise<string> => (await home.route(image))[0] ?? "";
    assert.match(await mirror("busybox"), /conf.example/);
    assert.match(await mirror("team/app"), /user.example/);
    home.write("home/.config/docker/daemon.json", "{}");
    assert.match(await mirror("team/app"), /buildkit.example/);
    home.write("etc/buildkit/buildkitd.toml", "");
    assert.match(await mirror("team/app"), /daemon.example/);
    assert.equal((await home.route("team/app")).length, 2);
  });

  test("each question has its own answer: mirrors from one file, the protocol from another", async () => {
    using home = new ConfigHome(both);
    assert.deepEqual(await home.route("team/app"), [
      "mirror https://user.example team/app",
      "http://registry-1.docker.io team/app unchecked",
    ]);
    const { endpoints, because } = await home.explain("team/app");
    assert.match(because, /home\/.config\/docker\/daemon.json, registry-mirrors$/);
    assert.match(endpoints[1]?.because.join() ?? "", /protocol: .*buildkitd.toml, \[registry."docker.io"\]/);
  });

  test("a flag comes before every file", async () => {
    using home = new ConfigHome({ [CONF]: `[[registry]]\nlocation = "r.example/team"\ninsecure = false` });
    assert.deepEqual(await home.route("r.example/team/x"), ["https://r.example team/x"]);
    assert.match((await home.route("r.example/team/x", ["r.example"])).join(), /unchecked/);
  });

  test("an explicit false is an answer", async () => {
    using home = new ConfigHome({
      [CONF]: `[[registry]]\nlocation = "localhost:5000"\ninsecure = false`,
      "etc/docker/daemon.json": JSON.stringify({ "insecure-registries": ["localhost:5000"] }),
    });
    assert.deepEqual(await home.route("localhost:5000/x"), ["https://localhost:5000 x"]);
  });
});

test("of HttpHeaders registries get those that dockerd passes on", async () => {
  using home = new ConfigHome({
    "home/.docker/config.json": JSON.stringify({ HttpHeaders: { "X-Meta-Team": "a", Authorization: "sesame" } }),
  });
  assert.deepEqual((await home.explain("busybox")).endpoints[0]?.endpoint.headers, { "X-Meta-Team": "a" });
});

test("a user need not read a daemon's file, but his own; a fault of one is not hidden by another", async (t) => {
  using home = new ConfigHome({ "etc/docker/daemon.json": "{}", [CONF]: "" });
  home.write(USER_CONF, "[[", 0o644);
  const { configuration } = await home.open();
  const states = new Map((await configuration.files(["docker.io"])).map(({ path, state }) => [path, state]));
  assert.equal(states.get(join(home.home, ".config/containers/registries.conf")), "broken");
  assert.equal(states.get(join(home.etc, "docker/daemon.json")), "read");
  await assert.rejects(configuration.route(parseReference("busybox")), isError("CONFIG", /line 1/));
  home.write(USER_CONF, "");
  if (process.getuid?.() === 0) return t.diagnostic("root may read everything");
  chmodSync(join(home.etc, "docker/daemon.json"), 0);
  assert.equal((await home.route("busybox")).length, 1);
  const left = (await (await home.open()).configuration.files(["docker.io"])).find(({ state }) => state === "left out");
  assert.equal(left?.path, join(home.etc, "docker/daemon.json"));
  chmodSync(join(home.folder, USER_CONF), 0);
  await assert.rejects(home.route("busybox"), isError("CONFIG", /cannot read .*permission denied/));
});

test("short names are Docker Hub's unless the rules of registries.conf are asked for", async () => {
  const { reportShortName } = await import("../../src/config/registries/short-names.ts");
  using home = new ConfigHome({
    [CONF]: `unqualified-search-registries = ["s.example"]\n[aliases]\nfedora = "registry.fedora.example/fedora"\n"a/b" = "c.example/b"`,
  });
  const name = async (text: string, isFollowed: boolean): Promise<string | undefined> =>
    (await reportShortName(text, (await home.open()).configuration, isFollowed))?.name;
  assert.equal(await name("fedora:39", false), "docker.io/library/fedora:39");
  assert.equal(await name("fedora:39", true), "registry.fedora.example/fedora:39");
  assert.equal(await name("a/b", true), "c.example/b");
  assert.equal(await name("busybox", true), "s.example/busybox");
  assert.equal(await name("quay.io/busybox", true), undefined);
  home.write("home/.cache/containers/short-name-aliases.conf", `[aliases]\nbusybox = "asked.example/busybox"`);
  assert.equal(await name("busybox", true), "asked.example/busybox");
  home.write("home/.cache/containers/short-name-aliases.conf", "");
  home.write(CONF, `unqualified-search-registries = ["s.example", "docker.io"]`);
  assert.equal(await name("busybox", false), "docker.io/library/busybox:latest");
  await assert.rejects(name("busybox", true), isError("CONFIG", /may be in any of s.example, docker.io/));
  home.write(CONF, `unqualified-search-registries = []`);
  await assert.rejects(name("busybox", true), isError("CONFIG", /allows none/));
  home.write(CONF, "");
  assert.equal(await name("busybox", true), "docker.io/library/busybox:latest");
});

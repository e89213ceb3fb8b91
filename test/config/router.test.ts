// Where registries are reached, by the files that people have.

import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseReference } from "../../builder/core/reference.ts";
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

suite("registries.conf", () => {
  test("the longest prefix decides alone, over drop-ins that replace a prefix as a whole", async () => {
    using home = new ConfigHome({
      [CONF]: `
        [[registry]]
        prefix = "docker.io"
        location = "docker.io"
        [[registry.mirror]]
        location = "m.example:5000/hub"
        insecure = true
        [[registry.mirror]]
        location = "n.example"
        pull-from-mirror = "tag-only"
        [[registry]]
        location = "docker.io/team"
        insecure = false
        [[registry]]
        location = "quay.io"
        insecure = true`,
      "etc/containers/registries.conf.d/10-quay.conf": `
        [[registry]]
        location = "quay.io"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "q.example"`,
    });
    assert.deepEqual(await home.route("busybox"), [
      "mirror https://m.example:5000|http://m.example:5000 hub/library/busybox unchecked",
      "mirror https://n.example library/busybox [tags]",
      "https://registry-1.docker.io library/busybox",
    ]);
    assert.deepEqual(await home.route("team/app"), ["https://registry-1.docker.io team/app"]);
    assert.deepEqual(await home.route("teams/app").then(({ length }) => length), 3);
    assert.deepEqual(await home.route("quay.io/a"), ["mirror https://q.example a [digests]", "https://quay.io a"]);
  });

  test("a location moves a name for reading, not for pushing", async () => {
    using home = new ConfigHome({
      [CONF]: `
        [[registry]]
        prefix = "example.com/foo"
        location = "internal.example:5000/bar"
        insecure = true
        [[registry]]
        prefix = "*.corp.example"
        location = "proxy.example/corp"
        [[registry]]
        prefix = "*.b.corp.example"
        [[registry.mirror]]
        location = "b.example"`,
    });
    assert.deepEqual(await home.route("example.com/foo/x"), [
      "https://internal.example:5000|http://internal.example:5000 bar/x unchecked",
      "push https://example.com|http://example.com foo/x",
    ]);
    assert.deepEqual(await home.route("example.com/foobar/x"), ["https://example.com foobar/x"]);
    assert.deepEqual(await home.route("a.corp.example:5000/x/y"), [
      "https://proxy.example corp/x/y",
      "push https://a.corp.example:5000 x/y",
    ]);
    assert.deepEqual(await home.route("a.b.corp.example/x"), [
      "mirror https://b.example x",
      "https://a.b.corp.example x",
    ]);
    assert.deepEqual(await home.route("corp.example/x"), ["https://corp.example x"]);
  });

  test("a blocked name is refused, and the file named", async () => {
    using home = new ConfigHome({ [CONF]: `[[registry]]\nlocation = "docker.io/bad"\nblocked = true` });
    await assert.rejects(
      home.route("bad/app"),
      isError("REGISTRY", /"docker.io\/bad\/app".*blocked\nby .*registries.conf, \[\[registry\]\] "docker.io\/bad"/),
    );
    assert.equal((await home.route("good/app")).length, 1);
  });

  test("the user's file stands in for the system's, one that is named for both", async () => {
    const insecure = (host: string): string => `[[registry]]\nlocation = "${host}"\ninsecure = true`;
    using home = new ConfigHome({
      [CONF]: insecure("s.example"),
      "etc/containers/registries.conf.d/x.conf": insecure("d.example"),
      "home/.config/containers/registries.conf.d/y.conf": insecure("u.example"),
      "home/named.conf": insecure("n.example"),
    });
    const unchecked = async (environment = {}): Promise<string[]> => {
      const found: string[] = [];
      for (const host of ["s", "d", "u", "n", "o"])
        if (/unchecked/.test((await home.route(`${host}.example/x`, [], environment)).join())) found.push(host);
      return found;
    };
    assert.deepEqual(await unchecked(), ["s", "d", "u"]);
    assert.deepEqual(await unchecked({ CONTAINERS_REGISTRIES_CONF: join(home.home, "named.conf") }), ["d", "u", "n"]);
    assert.deepEqual(await unchecked({ REGISTRIES_CONFIG_PATH: join(home.home, "named.conf") }), ["d", "u", "n"]);
    await assert.rejects(
      home.route("x", [], { CONTAINERS_REGISTRIES_CONF: "/no/such" }),
      isError("CONFIG", /no "\/no\/such", which .* CONTAINERS_REGISTRIES_CONF names/),
    );
    home.write(USER_CONF, insecure("o.example"));
    assert.deepEqual(await unchecked(), ["u", "o"]);
  });

  test("version 1 is understood, both at once are not", async () => {
    using home = new ConfigHome({
      [CONF]: `[registries.search]\nregistries = ["s.example"]\n[registries.insecure]\nregistries = ["i.example"]\n[registries.block]\nregistries = ["b.example"]`,
    });
    assert.match((await home.route("i.example/x")).join(), /unchecked/);
    await assert.rejects(home.route("b.example/x"), isError("REGISTRY", /blocked/));
    assert.deepEqual((await (await home.open()).configuration.registriesConf()).search?.registries, ["s.example"]);
    home.write(CONF, `unqualified-search-registries = []\n[registries.search]\nregistries = []`);
    await assert.rejects(home.route("x"), isError("CONFIG", /versions 1 and 2/));
  });

  test("a prefix may be one image, by its tag or its digest", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    using home = new ConfigHome({
      [CONF]: `
        [[registry]]
        location = "r.example:5000/a"
        [[registry.mirror]]
        location = "m.example/all"
        [[registry]]
        prefix = "r.example:5000/a:1"
        location = "other.example/b:1"
        [[registry]]
        prefix = "r.example:5000/a@${digest}"
        blocked = true`,
    });
    assert.deepEqual(await home.route("r.example:5000/a:1"), [
      "https://other.example b",
      "push https://r.example:5000 a",
    ]);
    await assert.rejects(home.route(`r.example:5000/a@${digest}`), isError("REGISTRY", /blocked/));
    const all = ["mirror https://m.example all", "https://r.example:5000 a"];
    assert.deepEqual(await home.route("r.example:5000/a:2"), all);
    assert.deepEqual(await home.route("r.example:5000/a"), all);
  });

  test("what cannot be obeyed is an error for the names it is about", async () => {
    using home = new ConfigHome({ [CONF]: `[[registry]]\nprefix = "r.example/a:old"\nlocation = "r.example/a:new"` });
    await assert.rejects(home.route("r.example/a:old"), isError("CONFIG", /another tag or digest/));
    assert.equal((await home.route("r.example/a:1")).length, 1);
    for (const [text, pattern] of [
      [`[[registry]]\ninsecure = "yes"\nlocation = "x"`, /"registry.0.insecure" is not true or false/],
      [`[[registry]]\ninsecure = true`, /neither prefix nor location/],
      [`[[registry]]\nlocation = "https://x"`, /no scheme/],
      [`[[registry]]\nprefix = "*.x/y"\nlocation = "z"`, /only a host may begin with \*/],
      [`[[registry]]\nlocation = "x"\n[[registry.mirror]]\nlocation = ""`, /mirror's location/],
      [
        `[[registry]]\nlocation = "x"\n[[registry.mirror]]\nlocation = "y"\npull-from-mirror = "some"`,
        /"registry.0.mirror.0.pull-from-mirror"/,
      ],
      [
        `[[registry]]\nlocation = "x"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "y"\npull-from-mirror = "all"`,
        /not for one registry/,
      ],
      [`a = 1\nb = "secret`, /registries.conf", line 2: /],
    ] as const) {
      home.write(CONF, text);
      await assert.rejects(home.route("q.example/x"), isError("CONFIG", pattern));
    }
  });
});

suite("hosts.toml", () => {
  test("hosts are asked in their order, the server last, each with its path, headers and capabilities", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/docker.io/hosts.toml": `
        server = "https://registry-1.docker.io"
        [host."https://m.example/v2/hub"]
        override_path = true
        capabilities = ["pull"]
        skip_verify = true
        [host."https://m.example/v2/hub".header]
        X-A = ["1", "2"]
        [host."n.example:5000/base"]
        [host."http://o.example"]
        capabilities = ["push"]`,
    });
    assert.deepEqual(await home.route("busybox"), [
      "mirror https://m.example hub/library/busybox [digests] unchecked ns=docker.io",
      "mirror https://n.example:5000/base library/busybox ns=docker.io",
      "https://registry-1.docker.io library/busybox",
    ]);
    const { endpoints } = await home.explain("busybox");
    assert.deepEqual(endpoints[0]?.endpoint.headers, { "X-A": "1, 2" });
    assert.equal(endpoints[2]?.endpoint.registry, "docker.io");
  });

  test("a whole path of its own may lack the /v2, and has nothing in its place", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/docker.io/hosts.toml": `
        [host."https://x.example/api/hub/"]
        override_path = true
        [host."https://y.example"]
        override_path = true`,
    });
    assert.deepEqual(await home.route("busybox"), [
      "mirror https://x.example/api/hub library/busybox ns=docker.io",
      "mirror https://y.example library/busybox ns=docker.io",
      "https://registry-1.docker.io library/busybox",
    ]);
    const { endpoints } = await home.explain("busybox");
    assert.deepEqual(endpoints.map(({ endpoint }) => endpoint.api), ["", "", undefined]); // prettier-ignore
  });

  test("without a server its head is about the registry itself; _default is for hosts without a folder", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/r.example_5000_/hosts.toml": `skip_verify = true\n[header]\nx-b = "b"`,
      "etc/containerd/certs.d/_default/hosts.toml": `[host."https://all.example"]`,
      "etc/containerd/certs.d/only.example/hosts.toml": `capabilities = ["push"]\n[host."https://m.example"]`,
    });
    assert.deepEqual(await home.route("r.example:5000/x"), ["https://r.example:5000 x unchecked"]);
    assert.deepEqual((await home.explain("r.example:5000/x")).endpoints[0]?.endpoint.headers, { "x-b": "b" });
    assert.deepEqual(await home.route("quay.io/x"), ["mirror https://all.example x ns=quay.io", "https://quay.io x"]);
    assert.deepEqual(await home.route("only.example/x"), [
      "mirror https://m.example x ns=only.example",
      "push https://only.example x",
    ]);
  });

  test("what it says wrongly is named", async () => {
    using home = new ConfigHome();
    for (const [text, pattern] of [
      [`server = "https://u:sesame@r.example"`, /"https:\/\/…@r.example" has a login/],
      [`[host."ftp://x"]`, /not the URL/],
      [`capabilities = ["fly"]`, /"fly" is no capability/],
      [`client = [["a"]]`, /pairs of certificate and key/],
      [`[header]\n"a b" = "c"`, /"a b" is no header/],
      [`[header]\na = "sesame\\n"`, /value of "a" cannot be sent/],
      [`[header]\na = "sesame`, /hosts.toml", line 2/],
    ] as const) {
      home.write("home/.config/containerd/certs.d/r.example/hosts.toml", text);
      await assert.rejects(home.route("r.example/x"), (error) => {
        assert.doesNotMatch(String((error as Error).stack), /sesame/);
        return isError("CONFIG", pattern)(error);
      });
    }
  });
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
  const { reportShortName } = await import("../../src/config/short-names.ts");
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

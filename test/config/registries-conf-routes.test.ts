// What containers' registries.conf says of where registries are reached.

import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { ConfigHome, isError } from "./config-home.ts";

const USER_CONF = "home/.config/containers/registries.conf";
const CONF = "etc/containers/registries.conf";

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

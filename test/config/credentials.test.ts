// Logins: which file and which entry of it counts, and programs that keep passwords.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import type { FoundCredentials } from "../../src/config/credentials/credentials.ts";
import type { Environment } from "../../src/config/environment.ts";
import { ConfigHome, isError } from "./config-home.ts";
import { helperCalls, installHelper } from "./fake-helper.ts";

const auth = (pair: string): { auth: string } => ({ auth: Buffer.from(pair).toString("base64") });
const CONFIG = "home/.docker/config.json";

async function locate(
  home: ConfigHome,
  registry: string,
  repository?: string,
  environment: Environment = {},
): Promise<FoundCredentials | undefined> {
  return await (await home.open([], environment)).logins.locate(registry, repository);
}
const user = async (...args: Parameters<typeof locate>): Promise<string | undefined> =>
  (await locate(...args))?.credentials.username;

suite("files", () => {
  test("a host stands under any of its names, Docker Hub under all of its own", async () => {
    using home = new ConfigHome({
      [CONFIG]: JSON.stringify({
        auths: {
          "https://index.docker.io/v1/": auth("hub:pa:ss"),
          "https://r.example:5000/v2/": { ...auth("u:p"), identitytoken: "t" },
          "http://s.example": { username: "s", password: "p" },
          "t.example": { registrytoken: "bearer" },
          "none.example": {},
        },
      }),
    });
    for (const host of ["docker.io", "registry-1.docker.io", "index.docker.io"])
      assert.deepEqual((await locate(home, host))?.credentials, { username: "hub", password: "pa:ss" });
    assert.deepEqual((await locate(home, "r.example:5000"))?.credentials, {
      username: "u",
      password: "p",
      identityToken: "t",
    });
    assert.equal(await user(home, "s.example"), "s");
    assert.equal((await locate(home, "t.example"))?.credentials.registryToken, "bearer");
    for (const host of ["none.example", "r.example", "quay.io"]) assert.equal(await locate(home, host), undefined);
  });

  test("the entry for the longest part of a name wins, whole path elements only", async () => {
    using home = new ConfigHome({
      "home/.config/containers/auth.json": JSON.stringify({
        auths: {
          "r.example": auth("host:p"),
          "r.example/team": auth("team:p"),
          "r.example/team/app": auth("app:p"),
          "docker.io/library": auth("library:p"),
        },
      }),
    });
    assert.equal(await user(home, "r.example"), "host");
    assert.equal(await user(home, "r.example", "other/app"), "host");
    assert.equal(await user(home, "r.example", "team/other"), "team");
    assert.equal(await user(home, "r.example", "team/app"), "app");
    assert.equal(await user(home, "r.example", "team/app/sub"), "app");
    assert.equal(await user(home, "r.example", "teams"), "host");
    assert.equal(await user(home, "docker.io", "library/busybox"), "library");
    assert.equal(await user(home, "docker.io", "team/app"), undefined);
  });

  test("the first file that has an entry wins, each in its turn", async () => {
    const auths = (name: string): string => JSON.stringify({ auths: { "r.example": auth(`${name}:p`) } });
    using home = new ConfigHome({
      "home/named.json": auths("named"),
      [CONFIG]: auths("docker"),
      "run/containers/auth.json": auths("runtime"),
      "home/.config/containers/auth.json": auths("containers"),
      "home/.dockercfg": JSON.stringify({ "r.example": auth("legacy:p") }),
    });
    const environment: Record<string, string> = {
      REGISTRY_AUTH_FILE: `${home.home}/named.json`,
      DOCKER_AUTH_CONFIG: auths("inline"),
      XDG_RUNTIME_DIR: `${home.folder}/run`,
    };
    assert.equal(await user(home, "r.example", "", environment), "named");
    delete environment["REGISTRY_AUTH_FILE"];
    assert.equal(await user(home, "r.example", "", environment), "inline");
    delete environment["DOCKER_AUTH_CONFIG"];
    assert.equal(await user(home, "r.example", "", environment), "docker");
    home.write(CONFIG, "{}");
    assert.equal(await user(home, "r.example", "", environment), "runtime");
    delete environment["XDG_RUNTIME_DIR"];
    assert.equal(await user(home, "r.example", "", environment), "containers");
    home.write("home/.config/containers/auth.json", "");
    const found = await locate(home, "r.example", "", environment);
    assert.deepEqual([found?.credentials.username, found?.file], ["legacy", `${home.home}/.dockercfg`]);
  });

  test("a broken one is named, and nothing of it is shown", async () => {
    using home = new ConfigHome({ [CONFIG]: '{"auths": {"x":\n {"auth": "c2VzYW1l' });
    await assert.rejects(locate(home, "x"), (error) => {
      assert.doesNotMatch(inspect(error), /c2VzYW1l/);
      return isError("CONFIG", /config.json", line 2 is not a JSON object/)(error);
    });
    home.write(CONFIG, '{"auths": {"x": {"auth": "c2VzYW1l"}}}');
    await assert.rejects(locate(home, "x"), (error) => {
      assert.doesNotMatch(inspect(error), /c2VzYW1l|sesame/);
      return isError("CONFIG", /auths "x": "auth" is not base64 of user:password/)(error);
    });
  });
});

suite("credential helpers", () => {
  test("a helper is asked for its own host, a store for every host, and secrets are no arguments", async () => {
    using home = new ConfigHome({
      [CONFIG]: JSON.stringify({
        credsStore: "fake",
        credHelpers: { "ecr.example": "ecr" },
        auths: { "https://old.example/v1/": {}, "plain.example": auth("plain:p") },
      }),
    });
    const environment = { ...installHelper(home, "fake"), ...installHelper(home, "ecr") };
    const put = (server: string, file: string, Username: string, Secret: string): string =>
      home.write(`store/${file}`, JSON.stringify({ ServerURL: server, Username, Secret }));
    put("https://index.docker.io/v1/", "https___index.docker.io_v1_", "hub", "sesame");
    put("ecr.example", "ecr.example", "<token>", "identity");
    put("https://old.example/v1/", "https___old.example_v1_", "old", "sesame");
    const found = await locate(home, "docker.io", "library/x", environment);
    assert.deepEqual(found?.credentials, { username: "hub", password: "sesame" });
    assert.deepEqual([found?.helper, found?.key], ["docker-credential-fake", 'credsStore "fake"']);
    assert.deepEqual((await locate(home, "ecr.example", "", environment))?.credentials, {
      username: "",
      password: "",
      identityToken: "identity",
    });
    assert.equal(await user(home, "old.example", "", environment), "old");
    assert.equal(await user(home, "plain.example", "", environment), "plain");
    assert.equal(await locate(home, "quay.io", "", environment), undefined);
    assert.deepEqual(new Set(helperCalls(home)), new Set(["1 get"]));
  });

  test("one that is missing, fails or answers nonsense is named, with nothing of its answer", async () => {
    using home = new ConfigHome({ [CONFIG]: JSON.stringify({ credHelpers: { "r.example": "fake" } }) });
    await assert.rejects(
      locate(home, "r.example"),
      isError("CONFIG", /helper "docker-credential-fake" cannot be used: there is no such program in PATH/),
    );
    assert.equal(await locate(home, "quay.io"), undefined);
    for (const [program, pattern] of [
      [`#!/bin/sh\necho '{"Secret":"sesame"'`, /gave no JSON for "r.example"/],
      [`#!/bin/sh\necho '{"Secret":"sesame"}'; exit 1`, /docker-credential-fake get failed for "r.example"$/m],
      [
        `#!/bin/sh\necho "the keychain is locked"; echo sesame >&2; exit 1`,
        /failed for "r.example": the keychain is locked/,
      ],
      [`#!/bin/sh\nkill -9 $$`, /cannot be used: it ended by SIGKILL/],
    ] as const) {
      const environment = installHelper(home, "fake", program);
      await assert.rejects(locate(home, "r.example", "", environment), (error) => {
        assert.doesNotMatch(inspect(error), /sesame/);
        return isError("CONFIG", pattern)(error);
      });
    }
    home.write(CONFIG, JSON.stringify({ credsStore: "../evil" }));
    await assert.rejects(locate(home, "x"), isError("CONFIG", /"..\/evil" is not the name of a credential helper/));
  });

  test("registries.conf may name helpers, and the files among them", async () => {
    using home = new ConfigHome({
      "etc/containers/registries.conf": `credential-helpers = ["containers-auth.json", "fake"]`,
      [CONFIG]: JSON.stringify({ auths: { "plain.example": auth("plain:p") } }),
    });
    const environment = installHelper(home, "fake");
    home.write("store/r.example", JSON.stringify({ Username: "kept", Secret: "s" }));
    assert.equal(await user(home, "r.example", "", environment), "kept");
    assert.equal(await user(home, "plain.example", "", environment), "plain");
  });
});

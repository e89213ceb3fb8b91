// `tsbuild login`, `logout` and `registry explain` as a person uses them, against a real registry.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { ConfigHome } from "../config/config-home.ts";
import { helperCalls, installHelper } from "../config/fake-helper.ts";
import { COMPILE_CACHE } from "../support/compile-cache.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";
import type { RunningRegistry } from "../transport/registry-server.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";

const TSBUILD = join(import.meta.dirname, "../../bin/tsbuild.js");
const SECRET = "sesame-4711";
const BASE64 = Buffer.from(`bob:${SECRET}`).toString("base64");

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program; unlike spawnSync it lets a server of this process answer. */
async function tsbuild(
  home: ConfigHome,
  args: readonly string[],
  input = "",
  more: Record<string, string | undefined> = {},
): Promise<Ended> {
  const env = { ...COMPILE_CACHE, ...home.environment, TSBUILD_ROOT: join(home.folder, "root"), ...more };
  const child = spawn(process.execPath, [TSBUILD, ...args], { env, cwd: home.folder });
  child.stdin.on("error", () => undefined).end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: child.exitCode, stdout, stderr };
}

const configOf = (home: ConfigHome): { auths: Record<string, unknown> } =>
  JSON.parse(readFileSync(join(home.home, ".docker/config.json"), "utf8"));

suite("a registry with passwords", { skip: noRegistry }, () => {
  let registry: RunningRegistry;
  before(async () => {
    registry = await startRegistry({ username: "bob", password: SECRET });
  });
  after(() => registry[Symbol.asyncDispose]());

  test("login keeps what the registry takes, explain names it, logout forgets it", async () => {
    using home = new ConfigHome();
    const { host } = registry;
    const wrong = await tsbuild(home, ["login", "-u", "bob", "--password-stdin", host], "wrong\n");
    assert.deepEqual([wrong.status, wrong.stdout], [69, ""]);
    assert.match(wrong.stderr, /refuses the credentials of "bob"\nare the name and the password/);
    assert.equal(existsSync(join(home.home, ".docker")), false);

    const first = await tsbuild(
      home,
      ["login", "-u", "bob", "--password-stdin", `http://${host}/v2/`],
      `${SECRET}\r\n`,
    );
    assert.deepEqual([first.status, first.stdout], [0, "Login Succeeded\n"]);
    assert.match(first.stderr, /WARNING! Your credentials are stored unencrypted in '.*config.json'/);
    assert.deepEqual(configOf(home).auths, { [host]: { auth: BASE64 } });

    const again = await tsbuild(home, ["login", host]);
    assert.deepEqual(
      [again.status, again.stdout],
      [0, "Authenticating with existing credentials... [Username: bob]\nLogin Succeeded\n"],
    );
    const json = await tsbuild(home, ["registry", "explain", "--json", `${host}/team/app:1`]);
    const [place] = JSON.parse(json.stdout).places;
    assert.deepEqual(place.login, {
      file: join(home.home, ".docker/config.json"),
      key: `auths "${host}"`,
      username: "bob",
      kind: "password",
    });
    const explained = await tsbuild(home, ["registry", "explain", host]);
    assert.match(explained.stdout, new RegExp(`password of "bob": .*config.json, auths "${host}"`));
    assert.doesNotMatch(json.stdout + explained.stdout, new RegExp(`${SECRET}|${BASE64}`));

    const out = await tsbuild(home, ["logout", host]);
    assert.deepEqual([out.status, out.stdout], [0, `Removing login credentials for ${host}\n`]);
    assert.deepEqual(configOf(home).auths, {});
    assert.equal((await tsbuild(home, ["logout", host])).stdout, `Not logged in to ${host}\n`);
  });

  test("a login of another file comes before the new one, or stays behind: both are said", async () => {
    using home = new ConfigHome();
    const { host } = registry;
    const file = home.write("auth.json", JSON.stringify({ auths: { [host]: { auth: BASE64 } } }));
    const more = { REGISTRY_AUTH_FILE: file };
    const login = await tsbuild(home, ["login", "-u", "bob", "--password-stdin", host], SECRET, more);
    assert.match(login.stderr, /WARNING! the login in .*auth.json, auths ".*" comes before this one/);
    const logout = await tsbuild(home, ["logout", host], "", more);
    assert.match(logout.stderr, /WARNING! there is still a login for .*: .*auth.json/);
  });

  test("with a helper the secret is in the helper; no process ever has it in its arguments", async () => {
    using home = new ConfigHome({ "home/.docker/config.json": JSON.stringify({ credsStore: "fake" }) });
    const more = installHelper(home, "fake");
    // The helper also writes down the command lines of itself and of whoever called it.
    const [first = "", ...lines] = readFileSync(join(home.folder, "bin/docker-credential-fake"), "utf8").split("\n");
    const watch = `for pid in $$ $PPID; do tr '\\0' ' ' < /proc/$pid/cmdline; echo; done >> "$FAKE_STORE/calls"`;
    const program = [first, watch, ...lines].join("\n");
    home.write("bin/docker-credential-fake", program, 0o755);
    const { host } = registry;
    const login = await tsbuild(home, ["-D", "login", "-u", "bob", "--password-stdin", host], SECRET, more);
    assert.deepEqual([login.status, login.stdout], [0, "Login Succeeded\n"], login.stderr);
    assert.deepEqual(configOf(home).auths, { [host]: {} });
    assert.match(readFileSync(join(home.folder, "store", host.replace(":", "_")), "utf8"), /sesame/);
    assert.equal((await tsbuild(home, ["login", host], "", more)).status, 0);
    const explained = await tsbuild(home, ["-D", "registry", "explain", host], "", more);
    assert.match(explained.stdout, /credsStore "fake", through docker-credential-fake/);
    const calls = helperCalls(home).join("\n");
    assert.match(calls, /docker-credential-fake store/);
    assert.doesNotMatch(calls + login.stderr + explained.stdout + explained.stderr, /sesame/);
    assert.equal(
      (await tsbuild(home, ["logout", "--all"], "", more)).stdout,
      "Removed login credentials for all registries\n",
    );
    assert.equal(existsSync(join(home.folder, "store", host.replace(":", "_"))), false);
  });

  test("what cannot be logged in to says why, also in the words for debugging, without the password", async () => {
    using home = new ConfigHome();
    const login = (...args: string[]): Promise<Ended> => tsbuild(home, ["-D", "login", ...args], `${SECRET}\n`);
    const cases: [Promise<Ended>, number, RegExp][] = [
      [login(registry.host), 125, /Cannot perform an interactive login from a non TTY device/],
      [login("--password-stdin", registry.host), 125, /Must provide --username with --password-stdin/],
      [login("-u", "a", "-p", SECRET, "--password-stdin", registry.host), 125, /mutually exclusive/],
      [login("a", "b"), 125, /at most 1 argument/],
      [login("no spaces"), 125, /"no spaces" is not the address of a registry/],
      [login("-u", "mallory", "--password-stdin", registry.host), 69, /refuses the credentials of "mallory"/],
      [login("-u", "bob", "--password-stdin", "127.0.0.1:1"), 69, /cannot reach "127.0.0.1:1": connection refused/],
    ];
    for (const [ended, status, pattern] of cases) {
      const { status: found, stdout, stderr } = await ended;
      assert.equal(found, status, stderr);
      assert.match(stderr, pattern);
      assert.doesNotMatch(stdout + stderr, new RegExp(SECRET));
    }
    const warned = await tsbuild(home, ["login", "-u", "bob", "-p", SECRET, registry.host]);
    assert.match(warned.stderr, /WARNING! Using --password via the CLI is insecure. Use --password-stdin./);
    assert.equal(warned.status, 0);
  });

  test(
    "at a terminal it asks, and does not show the password",
    { skip: spawnSync("script", ["--version"]).status === 0 ? false : "needs script(1) (Debian: bsdutils)" },
    async () => {
      using home = new ConfigHome();
      const command = `'${process.execPath}' '${TSBUILD}' login ${registry.host}`;
      const child = spawn("script", ["-qefc", command, "/dev/null"], {
        env: { ...COMPILE_CACHE, ...home.environment, SHELL: "/bin/sh" },
      });
      let shown = "";
      const answers = [
        ["Username: ", "bob\r"],
        ["Password: ", `wrong\x15${SECRET}x\x7f\r`],
      ];
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        shown += chunk;
        const [question = "", answer = ""] = answers[0] ?? [];
        if (question === "" || !shown.endsWith(question)) return;
        answers.shift();
        child.stdin.write(answer);
      });
      await once(child, "close");
      assert.equal(child.exitCode, 0, shown);
      assert.match(shown, /Username: bob[\s\S]*Password: \r?\n[\s\S]*Login Succeeded/);
      assert.doesNotMatch(shown, /sesame|wrong/);
      assert.deepEqual(configOf(home).auths, { [registry.host]: { auth: BASE64 } });
    },
  );
});

test(
  "certificates: a private authority is enough, none is refused, --tls-verify=false looks away",
  { skip: noRegistry || noOpenssl },
  async () => {
    using home = new ConfigHome();
    const authority = makeAuthority(home.home, "ca");
    const certificate = makeCertificate(home.home, "server", authority);
    await using registry = await startRegistry({ username: "bob", password: SECRET }, { tls: { certificate } });
    // 127.0.0.1 and its kind need no certificate by docker's rule; this name does.
    const host = registry.host.replace("127.0.0.1", "localhost");
    const conf = home.write(
      "home/.config/containers/registries.conf",
      `[[registry]]\nlocation = "${host}"\ninsecure = false\n`,
    );
    assert.ok(existsSync(conf));
    const login = (...args: string[]): Promise<Ended> =>
      tsbuild(home, ["login", "-u", "bob", "--password-stdin", ...args, host], SECRET);
    const refused = await login();
    assert.equal(refused.status, 69);
    assert.match(refused.stderr, /cannot reach "localhost:\d+": .*certificate/);
    for (const flag of [["--tls-verify=false"], ["--insecure-registry", host]])
      assert.equal((await login(...flag)).status, 0, flag.join(" "));
    mkdirSync(join(home.home, `.config/docker/certs.d/${host}`), { recursive: true });
    home.write(`home/.config/docker/certs.d/${host}/ca.crt`, authority.certificate);
    const taken = await login();
    assert.equal(taken.status, 0, taken.stderr);
  },
);

test("a token server's identity token is kept in the password's place", async () => {
  using home = new ConfigHome();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const host = request.headers.host ?? "";
    asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
    const { authorization } = request.headers;
    if (request.url?.startsWith("/token") === true && request.method === "GET" && authorization === `Basic ${BASE64}`)
      response.end(JSON.stringify({ token: "good", refresh_token: "identity" }));
    else if (request.url === "/token" && request.method === "POST")
      response.end(JSON.stringify({ access_token: "good" }));
    else if (request.url === "/v2/" && authorization === "Bearer good") response.end("{}");
    else response.writeHead(401, { "www-authenticate": `Bearer realm="http://${host}/token",service="s"` }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const first = await tsbuild(home, ["login", "-u", "bob", "--password-stdin", host], SECRET);
    assert.equal(first.status, 0, first.stderr);
    assert.match(asked.join("\n"), /GET \/token\?service=s&account=bob&offline_token=true/);
    const entry = configOf(home).auths[host];
    assert.deepEqual(entry, { auth: Buffer.from("bob:").toString("base64"), identitytoken: "identity" });
    assert.equal((await tsbuild(home, ["login", host])).status, 0);
    assert.match(asked.join("\n"), /POST \/token/);
    assert.match((await tsbuild(home, ["registry", "explain", host])).stdout, /identity token of "bob"/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("explain goes on where a build would stop: broken files with their lines, blocked registries", async () => {
  using home = new ConfigHome({
    "home/.config/containers/registries.conf": `[[registry]]\nlocation = "bad.example"\nblocked = true`,
  });
  const blocked = await tsbuild(home, ["registry", "explain", "bad.example/x"]);
  assert.equal(blocked.status, 69);
  assert.match(blocked.stdout, /ERROR: "bad.example\/x" may not be used.*\n {2}by .*registries.conf/);
  assert.equal(blocked.stderr, "");
  const docker = home.write("home/.docker/config.json", `{\n"auths": {},}`);
  const buildkit = home.write("home/.config/buildkit/buildkitd.toml", `[registry\n`);
  const broken = await tsbuild(home, ["registry", "explain", "busybox"]);
  assert.equal(broken.status, 78);
  assert.match(broken.stdout, new RegExp(`broken +"${docker}", line 2 is not a JSON object`));
  assert.match(broken.stdout, new RegExp(`broken +"${buildkit}", line 1: `));
  const build = await tsbuild(home, ["build", "--network", "none", "."]);
  assert.equal(build.status, 78);
  for (const [args, pattern] of [
    [["registry"], /has no command ""/],
    [["registry", "tree", "x"], /has no command "tree"/],
    [["registry", "explain"], /requires exactly 1 argument/],
    [["registry", "explain", "UPPER"], /not an image name/],
  ] as const) {
    const { status, stderr } = await tsbuild(home, args);
    assert.equal(status, 125);
    assert.match(stderr, pattern);
  }
  assert.match((await tsbuild(home, ["registry", "--help"])).stdout, /registry explain/);
});

// Logins written: nothing else in the file changes, nobody else can read it, and it is never half there.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { configFolders } from "../../src/config/files/folders.ts";
import { LoginFile } from "../../src/config/credentials/login-file.ts";
import { ConfigHome, isError } from "./config-home.ts";
import { helperCalls, installHelper } from "./fake-helper.ts";

const CONFIG = "home/.docker/config.json";
const login = { username: "bob", password: "pa:ss é" };
const open = (home: ConfigHome, environment = {}): LoginFile => {
  const all = { ...home.environment, ...environment };
  return new LoginFile(configFolders(all), all);
};
const read = (home: ConfigHome): unknown => JSON.parse(readFileSync(join(home.folder, CONFIG), "utf8"));

test("a new file is its owner's alone, and what was in an old one stays", async () => {
  using home = new ConfigHome();
  const file = open(home);
  assert.deepEqual(await file.store("r.example", login), { file: join(home.folder, CONFIG), helper: undefined });
  assert.equal(statSync(join(home.folder, CONFIG)).mode & 0o777, 0o600);
  assert.equal(statSync(join(home.home, ".docker")).mode & 0o777, 0o700);
  home.write(CONFIG, JSON.stringify({ detachKeys: "ctrl-a", auths: { old: { auth: "x", extra: 1 } }, proxies: {} }));
  chmodSync(join(home.folder, CONFIG), 0o644);
  await file.store("r.example", login);
  assert.deepEqual(read(home), {
    detachKeys: "ctrl-a",
    auths: { old: { auth: "x", extra: 1 }, "r.example": { auth: Buffer.from("bob:pa:ss é").toString("base64") } },
    proxies: {},
  });
  assert.equal(statSync(join(home.folder, CONFIG)).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(home.home, ".docker")), ["config.json"]);
  const { logins } = await home.open();
  assert.deepEqual(await logins.find("r.example"), login);
});

test("of many at the same moment none is lost", async () => {
  using home = new ConfigHome();
  const servers = Array.from({ length: 20 }, (_, number) => `r${number}.example`);
  await Promise.all(servers.map((server) => open(home).store(server, login)));
  const { auths } = read(home) as { readonly auths: object };
  assert.deepEqual(Object.keys(auths).sort(), servers.toSorted());
  await Promise.all(servers.slice(1).map((server) => open(home).erase((one) => one === server)));
  assert.deepEqual(Object.keys((read(home) as { readonly auths: object }).auths), servers.slice(0, 1));
  assert.deepEqual(readdirSync(join(home.home, ".docker")), ["config.json"]);
});

test("an identity token is kept beside the name", async () => {
  using home = new ConfigHome();
  await open(home).store("r.example", { username: "bob", password: "", identityToken: "token" });
  const { logins } = await home.open();
  assert.equal((await logins.find("r.example"))?.identityToken, "token");
});

test("a file that is a symbolic link stays one", async () => {
  using home = new ConfigHome({ "elsewhere/real.json": "{}" });
  mkdirSync(join(home.home, ".docker"));
  symlinkSync(join(home.folder, "elsewhere/real.json"), join(home.folder, CONFIG));
  await open(home).store("r.example", login);
  assert.match(readFileSync(join(home.folder, "elsewhere/real.json"), "utf8"), /r.example/);
  assert.deepEqual(readdirSync(join(home.folder, "elsewhere")), ["real.json"]);
});

test("with a helper the secret is with the helper, and never an argument", async () => {
  using home = new ConfigHome({
    [CONFIG]: JSON.stringify({ credsStore: "fake", credHelpers: { "ecr.example": "ecr" } }),
  });
  const environment = { ...installHelper(home, "fake"), ...installHelper(home, "ecr") };
  const file = open(home, environment);
  assert.equal((await file.store("r.example", login)).helper, "fake");
  assert.equal((await file.store("ecr.example", login)).helper, "ecr");
  assert.deepEqual((read(home) as { auths: unknown }).auths, { "r.example": {}, "ecr.example": {} });
  const { logins } = await home.open([], environment);
  assert.deepEqual(await logins.find("r.example"), login);
  assert.equal(await file.erase((server) => server === "r.example", "r.example"), true);
  assert.equal(await file.erase((server) => server === "r.example", "r.example"), false);
  assert.equal(await file.erase(() => true), true);
  assert.deepEqual((read(home) as { auths: unknown }).auths, {});
  assert.ok(helperCalls(home).every((call) => /^1 (?:get|store|erase)$/.test(call)));
  assert.deepEqual(readdirSync(join(home.folder, "store")), ["calls"]);
});

test("what fails leaves the file as it was, and says nothing of the secret", async (t) => {
  using home = new ConfigHome({ [CONFIG]: JSON.stringify({ credsStore: "fake" }) });
  const before = read(home);
  const environment = installHelper(home, "fake", '#!/bin/sh\nread x; echo "no: pa:ss é $x"; exit 1');
  await assert.rejects(open(home, environment).store("r.example", login), (error) => {
    assert.doesNotMatch(inspect(error), /pa:ss/);
    return isError("CONFIG", /docker-credential-fake store failed for "r.example"/)(error);
  });
  assert.deepEqual(read(home), before);
  home.write(CONFIG, "{ broken");
  await assert.rejects(open(home).store("r.example", login), isError("CONFIG", /config.json", line 1/));
  assert.equal(readFileSync(join(home.folder, CONFIG), "utf8"), "{ broken");
  if (process.getuid?.() === 0) return t.diagnostic("root may write everywhere");
  home.write(CONFIG, "{}");
  chmodSync(dirname(join(home.folder, CONFIG)), 0o500);
  await assert.rejects(open(home).store("r.example", login), isError("OUTPUT", /cannot write/));
  chmodSync(dirname(join(home.folder, CONFIG)), 0o700);
});

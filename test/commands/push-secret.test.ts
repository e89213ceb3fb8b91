// A login or a private key that a build was given does not leave with what it pushes, though the files are the context's own.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { build } from "../../src/commands/build/build.ts";
import { ConfigHome } from "../config/config-home.ts";
import { type Ran, runCommandIn } from "../support/run-command.ts";
import type { RunningRegistry } from "../transport/registry-server.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";

const login = { username: "bob", password: "sesame-4711" };
const basic = Buffer.from(`${login.username}:${login.password}`).toString("base64");

suite("pushing", { skip: noRegistry }, () => {
  let registry: RunningRegistry;
  before(async () => {
    registry = await startRegistry(login);
  });
  after(() => registry[Symbol.asyncDispose]());

  /** Pushes an image of one file, logged in. */
  async function push(home: ConfigHome, tag: string, content: string, ...flags: readonly string[]): Promise<Ran> {
    const config = { auths: { [registry.host]: { auth: basic } } };
    mkdirSync(join(home.home, ".docker"), { recursive: true });
    writeFileSync(join(home.home, ".docker/config.json"), JSON.stringify(config));
    const context = join(home.folder, "context");
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY file /etc/\n");
    writeFileSync(join(context, "file"), content);
    const name = `${registry.host}/app:${tag}`;
    return await runCommandIn(
      { HOME: home.home },
      build,
      join(home.folder, "root"),
      ...["-q", "--push", "-t", name, ...flags, context],
    );
  }

  async function tags(): Promise<readonly string[]> {
    const answer = await fetch(`http://${registry.host}/v2/app/tags/list`, {
      headers: { authorization: `Basic ${basic}` },
    });
    const { tags: all } = (await answer.json()) as { tags?: string[] }; // of the distribution specification
    return all ?? [];
  }

  test("a docker config with the login of the registry stays here", async () => {
    using home = new ConfigHome();
    const refused = await push(home, "config", JSON.stringify({ auths: { x: { auth: basic } } }));
    assert.equal(refused.error?.code, "SECRET_IN_RESULT");
    assert.match(refused.error.message, /^login for the registry 127\.0\.0\.1:\d+ is in "\/etc\/file"/);
    assert.deepEqual(await tags(), []);
    const id = `registry:${registry.host}`;
    const allowed = await push(home, "allowed", `password=${login.password}`, "--allow-secret-in-image", id);
    assert.equal(allowed.error, undefined);
    assert.deepEqual(await tags(), ["allowed"]);
  });

  test("so does a private key, and a part of one", async () => {
    using home = new ConfigHome();
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const file = join(home.folder, "key");
    writeFileSync(file, pem);
    for (const content of [pem, pem.split("\n").slice(9, 12).join("\n"), JSON.stringify({ key: pem })]) {
      const refused = await push(home, "key", content, "--ssh", `default=${file}`);
      assert.equal(refused.error?.code, "SECRET_IN_RESULT");
      assert.match(refused.error.message, /^private key of --ssh "default" is in "\/etc\/file"/);
    }
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const passed = await push(
      home,
      "other",
      other.export({ type: "pkcs8", format: "pem" }).toString(),
      "--ssh",
      `default=${file}`,
    );
    assert.equal(passed.error, undefined);
  });
});

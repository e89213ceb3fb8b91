// Key files for --ssh: OpenSSH's own programs must find every key in our agent, and take what it signs.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import type { Session } from "../../builder/core/session.ts";
import { localSession } from "../../src/config/session.ts";
import { answer } from "../../src/config/ssh/agent.ts";
import { readPrivateKey } from "../../src/config/ssh/private-key.ts";
import { mpint, string, uint32 } from "../../src/config/ssh/wire.ts";
import { isError } from "./config-home.ts";

const noOpenssh = ["ssh-keygen", "ssh-add"].every((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0)
  ? false
  : "needs ssh-keygen and ssh-add (Debian: openssh-client)";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-ssh-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const session = (...paths: string[]): Promise<Session> =>
  localSession({ secrets: [], ssh: [{ id: "k", paths }], environment: {}, credentials: async () => undefined });

/** Every kind and form of key that ssh-keygen makes. */
const KINDS = [
  ["rsa", "RFC4716", "-b", "2048"],
  ["rsa", "PEM", "-b", "2048"],
  ["rsa", "PKCS8", "-b", "2048"],
  ["ecdsa", "RFC4716", "-b", "256"],
  ["ecdsa", "RFC4716", "-b", "384"],
  ["ecdsa", "RFC4716", "-b", "521"],
  ["ecdsa", "PEM", "-b", "256"],
  ["ecdsa", "PKCS8", "-b", "521"],
  ["ed25519", "RFC4716"],
] as const;

function makeKey(name: string, args: readonly string[]): string {
  const path = join(folder, name);
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "", "-f", path, ...args]);
  return path;
}

suite("OpenSSH", { skip: noOpenssh }, () => {
  test("lists every key of the agent and accepts its signatures", async () => {
    const keys = KINDS.map(([type, form, ...more], at) => makeKey(`key${at}`, ["-t", type, "-m", form, ...more]));
    const socket = await (await session(...keys)).sshAgent("k");
    assert.ok(socket !== undefined);
    // The agent is in this process: these must not block it.
    const run = async (program: string, ...args: string[]): Promise<string> =>
      (await promisify(execFile)(program, args, { env: { PATH: process.env["PATH"], SSH_AUTH_SOCK: socket } })).stdout;
    const listed = (await run("ssh-add", "-L")).trim().split("\n");
    const made = keys.map((key) => readFileSync(`${key}.pub`, "utf8").trim());
    assert.deepEqual(
      listed.map((line) => line.trim()),
      made,
    );
    assert.equal((await run("ssh-add", "-l")).trim().split("\n").length, keys.length);
    for (const key of keys) await run("ssh-add", "-T", `${key}.pub`);
    const message = join(folder, "message");
    writeFileSync(message, "hello");
    for (const key of keys) {
      // Only the public half is where ssh-keygen looks: the agent must sign.
      const name = join(folder, "alone.pub");
      writeFileSync(name, readFileSync(`${key}.pub`));
      await run("ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", name, message);
      execFileSync("ssh-keygen", ["-q", "-Y", "check-novalidate", "-n", "test", "-s", `${message}.sig`], {
        input: "hello",
      });
      rmSync(`${message}.sig`);
    }
    await assert.rejects(run("ssh-add", "-D"));
    await assert.rejects(run("ssh-add", keys[0] ?? ""));
    assert.equal((await run("ssh-add", "-L")).trim().split("\n").length, keys.length);
  });

  test("a passphrase, another kind of key and a damaged one are refused by name", async () => {
    const locked = join(folder, "locked");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "sesame", "-f", locked]);
    await assert.rejects(session(locked), isError("CONFIG", /--ssh k: ".*locked".*passphrase\n.*ssh-add/));
    for (const form of ["PEM", "PKCS8"]) {
      const path = join(folder, `locked-${form}`);
      execFileSync("ssh-keygen", ["-q", "-t", "rsa", "-b", "2048", "-m", form, "-N", "sesame", "-f", path]);
      await assert.rejects(session(path), isError("CONFIG", /passphrase/));
    }
    await assert.rejects(session(`${locked}.pub`), isError("CONFIG", /no private key/));
    const good = readFileSync(makeKey("good", ["-t", "ed25519"]), "utf8");
    const cut = join(folder, "cut");
    const [first = "", ...lines] = good.trim().split("\n");
    writeFileSync(cut, [first, lines[0], lines.at(-1)].join("\n"));
    await assert.rejects(session(cut), isError("CONFIG", /ends too early/));
    writeFileSync(
      cut,
      good.replace(/BEGIN .*\n/, "BEGIN X25519 PRIVATE KEY-----\n").replace(/END .*/, "END X25519 PRIVATE KEY-----"),
    );
    await assert.rejects(session(cut), isError("CONFIG", /no private key/));
  });
});

test("keys that SSH does not know are refused, and so is what is no key", async () => {
  const path = join(folder, "other");
  for (const kind of ["ed448", "x25519", "dsa"] as const) {
    const { privateKey } =
      kind === "dsa"
        ? generateKeyPairSync("dsa", { modulusLength: 1024, divisorLength: 160 })
        : kind === "ed448"
          ? generateKeyPairSync("ed448")
          : generateKeyPairSync("x25519");
    writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }));
    await assert.rejects(session(path), isError("UNSUPPORTED", new RegExp(`kind "${kind}"`)));
  }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }));
  await assert.rejects(session(path), isError("UNSUPPORTED", /kind "ec"/));
  writeFileSync(path, "sesame");
  await assert.rejects(session(path), isError("CONFIG", /"other" cannot be used|no private key/));
  writeFileSync(path, Buffer.alloc(101 * 1024));
  await assert.rejects(session(path), isError("USAGE", /too big/));
  await assert.rejects(session(folder), isError("INPUT_MISSING", /neither a socket nor a key file/));
});

test("an agent socket is only its owner's, and a client that talks nonsense is sent away", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const path = join(folder, "plain");
  writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }));
  chmodSync(path, 0o600);
  const opened = await session(path);
  const socket = (await opened.sshAgent("k")) ?? "";
  assert.equal(await opened.sshAgent("k"), socket);
  assert.equal(await opened.sshAgent("other"), undefined);
  assert.equal(execFileSync("stat", ["-c", "%a", dirname(socket)], { encoding: "utf8" }).trim(), "700");
  await new Promise<void>((resolve) => {
    const client = connect(socket, () => client.write(uint32(1 << 30)));
    client.on("close", () => resolve());
    client.resume();
  });
  assert.ok(existsSync(socket));
});

test("whatever a message holds, the answer is one", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const path = join(folder, "rsa.pem");
  writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs1" }));
  const key = await readPrivateKey(path);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const [kind] = answer(Buffer.from(bytes), [key]);
      assert.ok(kind === 5 || kind === 12 || kind === 14);
    }),
  );
  const request = (blob: Uint8Array, flags: number): Buffer =>
    answer(Buffer.concat([Buffer.of(13), string(blob), string("data"), uint32(flags)]), [key]);
  for (const [flags, name] of [
    [0, "ssh-rsa"],
    [2, "rsa-sha2-256"],
    [4, "rsa-sha2-512"],
    [6, "rsa-sha2-512"],
  ] as const)
    assert.equal(
      request(key.publicBlob, flags)
        .subarray(9, 9 + name.length)
        .toString(),
      name,
    );
  assert.deepEqual(request(Buffer.from("other"), 0), Buffer.of(5));
  assert.deepEqual(mpint(Buffer.from([0, 0, 0x80])), Buffer.from([0, 0, 0, 2, 0, 0x80]));
});

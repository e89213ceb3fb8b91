// RUN for another machine through an emulator that the kernel knows. A user namespace has a table of its own, in which
// busybox plays the emulator: it is given the program's path, and does what its name says.

import assert from "node:assert/strict";
import { execFileSync, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { hostPlatform } from "../../builder/core/image/platform.ts";
import { elfProgram } from "../../builder/executor/elf.ts";
import { findBusybox, whyNoBusybox } from "../support/busybox.ts";
import { TSBUILD } from "./workshop.ts";

const architecture = hostPlatform().architecture === "riscv64" ? "arm64" : "riscv64";
/** The first 20 bytes of its programs, each as the kernel's table takes it. */
const MAGIC = [...(elfProgram(architecture) ?? Buffer.alloc(0)).subarray(0, 20)]
  .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`)
  .join("");

/** Registers an interpreter, then runs the words that follow. */
const REGISTER = `
  mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 99
  printf %s ":tested:M::$1::$2:$3" > /proc/sys/fs/binfmt_misc/register || exit 99
  shift 3
  exec "$@"
`;

function registered(interpreter: string, flags: string, words: readonly string[]): SpawnSyncReturns<string> {
  const namespace = ["-Urm", "sh", "-c", REGISTER, "sh", MAGIC, interpreter, flags, ...words];
  return spawnSync("unshare", namespace, { encoding: "utf8", timeout: 120_000 });
}

suite("a RUN for another machine", { skip: whyNoBusybox() ?? false }, () => {
  let folder: string;
  let emulator: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-emulated-"));
    mkdirSync(join(folder, "context"));
    emulator = join(folder, "busybox");
    execFileSync("cp", [findBusybox() ?? "", emulator]);
    const program = join(folder, "context/sh");
    writeFileSync(program, elfProgram(architecture) as Uint8Array);
    chmodSync(program, 0o755);
    writeFileSync(
      join(folder, "context/Dockerfile"),
      "FROM scratch\nCOPY sh /bin/\nRUN echo emulated $((6 * 7)) >&2\n",
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const build = (interpreter: string, flags: string): SpawnSyncReturns<string> => {
    const words = [
      "--root",
      join(folder, "store"),
      "build",
      "--no-cache",
      "--progress",
      "plain",
      "--platform",
      `linux/${architecture}`,
    ];
    return registered(interpreter, flags, [process.execPath, TSBUILD, ...words, join(folder, "context")]);
  };

  test("goes through a registered emulator", (t) => {
    // A table of its own for each user namespace came with Linux 6.7.
    if (registered(emulator, "F", ["true"]).status === 99)
      return t.skip("binfmt_misc cannot be mounted in a user namespace here");
    const { status, stderr } = build(emulator, "F");
    assert.equal(status, 0, stderr);
    assert.match(stderr, /emulated 42/);
    // Opened when it runs, not when it was registered: then it would have to be in the image.
    const open = build(emulator, "");
    assert.equal(open.status, 77, open.stderr);
    assert.match(
      open.stderr,
      /its emulator ".*busybox" \(tested\) is not in the image, and was registered without the flag F/,
    );
    return undefined;
  });

  test("says which emulator is missing, where none is registered", () => {
    const words = [
      "--root",
      join(folder, "other"),
      "build",
      "--progress",
      "none",
      "--platform",
      `linux/${architecture}`,
    ];
    const { status, stderr } = spawnSync(process.execPath, [TSBUILD, ...words, join(folder, "context")], {
      encoding: "utf8",
    });
    if (status === 0) return; // this machine has one
    assert.equal(status, 77, stderr);
    assert.match(stderr, new RegExp(`Dockerfile:3: "/bin/sh" is a program for ${architecture}, and this machine is`));
    assert.match(stderr, /register one as root/);
  });
});

// Whether foreign programs run here: ELF heads, the kernel's table, and a try.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hostPlatform } from "../../builder/core/image/platform.ts";
import { architecturesOf, elfProgram } from "../../builder/executor/elf.ts";
import { findEmulation, findHandler } from "../../builder/executor/emulator.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-elf-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const ARCHITECTURES = ["amd64", "386", "arm64", "arm", "riscv64", "ppc64le", "s390x", "mips64le", "loong64"];
const own = hostPlatform().architecture;

test("a program of every architecture is told by its head", () => {
  for (const architecture of ARCHITECTURES)
    assert.deepEqual(architecturesOf(elfProgram(architecture) as Uint8Array), [architecture]);
  assert.deepEqual(architecturesOf(Buffer.from("#!/bin/sh\necho a long enough script\n")), []);
  const unknown = Buffer.from(elfProgram("amd64") as Uint8Array);
  unknown.writeUInt16LE(9999, 18);
  assert.equal(architecturesOf(unknown), undefined);
  assert.equal(elfProgram("vax"), undefined);
});

test("the smallest program of this machine runs, and ends with 0", () => {
  const path = join(temp, "own");
  writeFileSync(path, elfProgram(own) as Uint8Array);
  chmodSync(path, 0o755);
  assert.equal(spawnSync(path).status, 0);
});

test("a try says what the kernel does, and leaves nothing", () => {
  const folder = mkdtempSync(join(temp, "try-"));
  assert.equal(findEmulation(own, folder, own), "native");
  assert.equal(findEmulation("vax", folder, own), "unknown");
  // A machine nobody has an emulator for by accident.
  const found = findEmulation(own === "s390x" ? "mips64le" : "s390x", folder, own);
  assert.ok(found === "missing" || found === "emulated", found);
  assert.deepEqual(readdirSync(folder), []);
});

test("the kernel's table is read: magic, mask, flags, and whether it is on", () => {
  const table = mkdtempSync(join(temp, "binfmt-"));
  const entry = (state: string, flags: string, magic: string, mask?: string): string =>
    [
      state,
      "interpreter /usr/bin/qemu-aarch64",
      `flags: ${flags}`,
      "offset 0",
      `magic ${magic}`,
      ...(mask === undefined ? [] : [`mask ${mask}`]),
    ].join("\n");
  const magic = "7f454c460201010000000000000000000200b700";
  const mask = "ffffffffffffff00fffffffffffffffffeffffff";
  writeFileSync(join(table, "register"), "");
  writeFileSync(join(table, "status"), "enabled");
  const head = elfProgram("arm64") as Uint8Array;
  assert.equal(findHandler(head, table), undefined);
  writeFileSync(join(table, "off"), entry("disabled", "F", magic, mask));
  assert.equal(findHandler(head, table), undefined);
  writeFileSync(join(table, "qemu-aarch64"), entry("enabled", "POCF", magic, mask));
  assert.deepEqual(findHandler(head, table), {
    name: "qemu-aarch64",
    interpreter: "/usr/bin/qemu-aarch64",
    isFixed: true,
  });
  assert.equal(findHandler(elfProgram("s390x") as Uint8Array, table), undefined);
  writeFileSync(join(table, "qemu-aarch64"), entry("enabled", "", magic, mask));
  assert.equal(findHandler(head, table)?.isFixed, false);
  assert.equal(findHandler(head, join(table, "nowhere")), undefined);
});

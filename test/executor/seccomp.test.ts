// The compiled filter, run by a small machine here: the same answers as the profile gives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSeccomp } from "../../builder/executor/seccomp/program.ts";
import { syscallNumbers } from "../../builder/executor/seccomp/syscall-numbers.ts";
import type { SyscallArch } from "../../builder/executor/seccomp/syscall-numbers.ts";
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from "../../builder/executor/sandbox-policy.ts";

const AUDIT: Record<SyscallArch, number> = {
  x86_64: 0xc000003e,
  x32: 0xc000003e,
  i386: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
};
const ALLOW = "allow";
const EPERM = "errno 1";
const ENOSYS = "errno 38";

/** Runs the BPF program on a call; only the instructions that a seccomp filter may have. */
function judge(program: Uint8Array, arch: SyscallArch, call: string | number, args: readonly number[] = []): string {
  const number =
    typeof call === "number" ? call : (syscallNumbers(arch).get(call) ?? assert.fail(`${arch} has no ${call}`));
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(AUDIT[arch], 4);
  args.forEach((value, at) => data.writeBigUInt64LE(BigInt(value), 16 + 8 * at));
  const code = Buffer.from(program);
  let accumulator = 0;
  for (let at = 0; at * 8 < code.length; at++) {
    const [opcode, jt, jf, k] = [
      code.readUInt16LE(at * 8),
      code.readUInt8(at * 8 + 2),
      code.readUInt8(at * 8 + 3),
      code.readUInt32LE(at * 8 + 4),
    ];
    if (opcode === 0x20) accumulator = data.readUInt32LE(k);
    else if (opcode === 0x05) at += k;
    else if (opcode === 0x15) at += accumulator === k ? jt : jf;
    else if (opcode === 0x25) at += accumulator > k ? jt : jf;
    else if (opcode === 0x35) at += accumulator >= k ? jt : jf;
    else if (opcode === 0x45) at += (accumulator & k) !== 0 ? jt : jf;
    else if (opcode === 0x06) return k === 0x7fff0000 ? ALLOW : k === 0x80000000 ? "kill" : `errno ${k & 0xffff}`;
    else assert.fail(`opcode ${opcode}`);
  }
  return assert.fail("the program has no end");
}

const amd64 = compileSeccomp("amd64", DEFAULT_CAPABILITIES);
const arm64 = compileSeccomp("arm64", DEFAULT_CAPABILITIES);

test("everyday calls pass on every architecture", () => {
  for (const [program, arch] of [
    [amd64, "x86_64"],
    [amd64, "i386"],
    [amd64, "x32"],
    [arm64, "aarch64"],
    [arm64, "arm"],
  ] as const) {
    for (const call of [
      "read",
      "write",
      "execve",
      "openat",
      "openat2",
      "exit_group",
      "futex",
      "setresuid",
      "chroot",
      "ptrace",
      "statx",
      "fchmodat2",
    ]) {
      assert.equal(judge(program, arch, call), ALLOW, `${arch} ${call}`);
    }
    for (const call of [
      "mount",
      "unshare",
      "setns",
      "bpf",
      "keyctl",
      "add_key",
      "reboot",
      "init_module",
      "settimeofday",
      "kexec_load",
      "open_by_handle_at",
    ]) {
      if (syscallNumbers(arch).has(call)) assert.equal(judge(program, arch, call), EPERM, `${arch} ${call}`);
    }
  }
});

test("clone may start processes and threads but no namespaces, and clone3 does not exist", () => {
  const cloneThread = 0x3d0f00;
  for (const [program, arch] of [
    [amd64, "x86_64"],
    [amd64, "i386"],
    [arm64, "aarch64"],
    [arm64, "arm"],
  ] as const) {
    assert.equal(judge(program, arch, "clone", [cloneThread]), ALLOW);
    for (const flag of [0x10000000, 0x20000000, 0x00020000, 0x04000000, 0x08000000, 0x40000000, 0x02000000]) {
      assert.equal(judge(program, arch, "clone", [flag | 17]), EPERM, `${arch} clone ${flag.toString(16)}`);
    }
    assert.equal(judge(program, arch, "clone3"), ENOSYS);
  }
});

test("sockets of all families but AF_ALG (38) and AF_VSOCK (40), whatever stands in the upper half of the argument", () => {
  const families = (high: number) =>
    [1, 2, 10, 16, 37, 38, 39, 40, 41].filter(
      (family) => judge(amd64, "x86_64", "socket", [family + high * 2 ** 32]) !== ALLOW,
    );
  assert.deepEqual(families(0), [38, 40]);
  assert.deepEqual(families(1), [38, 40]);
});

test("personality takes five values", () => {
  const allowed = [0, 1, 8, 0x20000, 0x20008, 0x40000, 0xffffffff].filter(
    (value) => judge(amd64, "x86_64", "personality", [value]) === ALLOW,
  );
  assert.deepEqual(allowed, [0, 8, 0x20000, 0x20008, 0xffffffff]);
});

test("calls newer than the profile do not exist, foreign architectures are killed", () => {
  assert.equal(judge(amd64, "x86_64", 600), ENOSYS);
  assert.equal(judge(amd64, "x32", 0x40000000 + 600), ENOSYS);
  assert.equal(judge(arm64, "aarch64", 600), ENOSYS);
  assert.equal(judge(amd64, "aarch64", "read"), "kill");
});

test("arm's private calls pass", () => {
  for (const call of ["cacheflush", "set_tls", "breakpoint"]) assert.equal(judge(arm64, "arm", call), ALLOW, call);
});

test("rules follow the capabilities", () => {
  const all = compileSeccomp("amd64", ALL_CAPABILITIES);
  for (const call of ["mount", "unshare", "clone3", "bpf", "reboot", "open_by_handle_at"])
    assert.equal(judge(all, "x86_64", call), ALLOW, call);
  const few = compileSeccomp("amd64", []);
  assert.equal(judge(few, "x86_64", "chroot"), EPERM);
});

test("the program fits the kernel's limit of 4096 instructions", () => {
  assert.ok(amd64.length / 8 < 4096 && arm64.length / 8 < 4096);
});

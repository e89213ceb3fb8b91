// The profile as a classic BPF program (struct sock_filter[]), as the kernel takes it: by
// architecture, then a binary search over ranges of call numbers with the same answer.
// Eight comparisons a call; calls that are always allowed the kernel even keeps in a bitmap.

import { BuildError } from "../../core/errors.ts";
import type { Capability } from "../sandbox-policy.ts";
import { DEFAULT_CAPABILITIES } from "../sandbox-policy.ts";
import type { ArgumentTest, ProfileArch, ProfileRule } from "./default-profile.ts";
import { DEFAULT_PROFILE } from "./default-profile.ts";
import type { SyscallArch } from "./syscall-numbers.ts";
import { syscallNumbers } from "./syscall-numbers.ts";

/** The filter of a step with these capabilities on this machine. Throws `SANDBOX` on an architecture without tables. */
export function seccompProgram(capabilities: readonly Capability[]): Uint8Array {
  if (capabilities !== DEFAULT_CAPABILITIES) return compileSeccomp(profileArch(), capabilities);
  cached ??= compileSeccomp(profileArch(), DEFAULT_CAPABILITIES);
  return cached;
}

let cached: Uint8Array | undefined;

/** The profile's name of this machine's architecture. */
export function profileArch(arch: string = process.arch): ProfileArch {
  if (arch === "x64") return "amd64";
  if (arch === "arm64") return "arm64";
  throw new BuildError("SANDBOX", `there is no seccomp profile for the architecture "${arch}"`);
}

/** The rules that apply on an architecture to a process with these capabilities. */
export function applicableRules(arch: ProfileArch, capabilities: readonly Capability[]): ProfileRule[] {
  return DEFAULT_PROFILE.filter(
    (rule) =>
      (rule.arches === undefined || rule.arches.includes(arch)) &&
      (rule.withCapability === undefined || capabilities.includes(rule.withCapability)) &&
      (rule.withoutCapability === undefined || !capabilities.includes(rule.withoutCapability)),
  );
}

/** Compiles the profile; 8 bytes an instruction, little-endian. */
export function compileSeccomp(arch: ProfileArch, capabilities: readonly Capability[]): Uint8Array {
  const rules = applicableRules(arch, capabilities);
  const code = arch === "amd64" ? amd64Program(rules) : arm64Program(rules);
  const bytes = Buffer.alloc(code.length * 8);
  code.forEach((instruction, at) => {
    bytes.writeUInt16LE(instruction.code, at * 8);
    bytes.writeUInt8(instruction.jt, at * 8 + 2);
    bytes.writeUInt8(instruction.jf, at * 8 + 3);
    bytes.writeUInt32LE(instruction.k, at * 8 + 4);
  });
  return bytes;
}

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

// linux/bpf_common.h, linux/seccomp.h, linux/audit.h
const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_NOT_LESS = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
const KILL_PROCESS = 0x8000_0000;
const OFFSET_NUMBER = 0;
const OFFSET_ARCH = 4;
const OFFSET_ARGUMENTS = 16;
const AUDIT_ARCH = { x86_64: 0xc000_003e, i386: 0x4000_0003, aarch64: 0xc000_00b7, arm: 0x4000_0028 } as const;
const EPERM = 1;
const ENOSYS = 38;
const X32_FIRST = 0x4000_0000;
/** Numbers from here on are arm's private calls. */
const ARM_PRIVATE = 0xf_0000;

function amd64Program(rules: readonly ProfileRule[]): Instruction[] {
  const native = searchProgram(ranges("x86_64", rules));
  const x32 = searchProgram(ranges("x32", rules));
  const i386 = searchProgram(ranges("i386", rules));
  // Both 64-bit forms have one audit architecture; bit 30 of the number tells them apart.
  const wide = branch(JUMP_NOT_LESS, X32_FIRST, native, x32);
  return byArch([
    [AUDIT_ARCH.x86_64, wide],
    [AUDIT_ARCH.i386, i386],
  ]);
}

function arm64Program(rules: readonly ProfileRule[]): Instruction[] {
  return byArch([
    [AUDIT_ARCH.aarch64, searchProgram(ranges("aarch64", rules))],
    [AUDIT_ARCH.arm, searchProgram(ranges("arm", rules))],
  ]);
}

/** A foreign architecture's calls cannot be judged: the process is killed, as libseccomp does. */
function byArch(parts: readonly (readonly [number, Instruction[]])[]): Instruction[] {
  let code: Instruction[] = [answer(KILL_PROCESS)];
  for (const [arch, part] of parts.toReversed()) {
    code = branch(JUMP_EQUAL, arch, code, [load(OFFSET_NUMBER), ...part]);
  }
  return [load(OFFSET_ARCH), ...code];
}

/** Calls from `first` on, up to the next range, share one piece of code. */
interface Range {
  readonly first: number;
  readonly code: readonly Instruction[];
}

/**
 * The answer for every number: the rules', EPERM between them, ENOSYS above the highest number that the profile names, so
 * that programs which try a newer call fall back to an older one (as runc does).
 */
function ranges(arch: SyscallArch, rules: readonly ProfileRule[]): Range[] {
  const numbers = syscallNumbers(arch);
  const byNumber = new Map<number, ProfileRule[]>();
  for (const rule of rules) {
    for (const name of rule.names) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      const known = byNumber.get(number);
      if (known === undefined) byNumber.set(number, [rule]);
      else known.push(rule);
    }
  }
  const sorted = [...byNumber].toSorted(([a], [b]) => a - b);
  const highest = Math.max(
    ...sorted.map(([number]) => number).filter((number) => arch !== "arm" || number < ARM_PRIVATE),
  );
  const result: Range[] = [];
  let next = arch === "x32" ? X32_FIRST : 0;
  const add = (first: number, code: readonly Instruction[]): void => {
    if (!sameCode(result.at(-1)?.code, code)) result.push({ first, code });
  };
  for (const [number, own] of sorted) {
    if (number > next) add(next, next > highest ? UNKNOWN : REFUSED);
    add(number, ruleCode(own));
    next = number + 1;
  }
  add(next, UNKNOWN);
  return result;
}

function ruleCode(rules: readonly ProfileRule[]): readonly Instruction[] {
  const plain = rules.find((rule) => rule.test === undefined);
  // An unconditional allow makes the tests pointless; an unconditional errno comes after them.
  if (plain?.action === "allow") return ALLOWED;
  const code: Instruction[] = [];
  for (const rule of rules) {
    if (rule.test === undefined) continue;
    code.push(load(OFFSET_ARGUMENTS + 8 * rule.test.index), ...testCode(rule.test, answer(actionValue(rule))));
  }
  return [...code, answer(plain === undefined ? ERRNO | EPERM : actionValue(plain))];
}

function testCode(test: ArgumentTest, then: Instruction): Instruction[] {
  switch (test.op) {
    case "equal":
      return [{ code: JUMP_EQUAL, jt: 0, jf: 1, k: test.value }, then];
    case "greater":
      return [{ code: JUMP_GREATER, jt: 0, jf: 1, k: test.value }, then];
    case "less":
      return [{ code: JUMP_NOT_LESS, jt: 1, jf: 0, k: test.value }, then];
    case "masked-zero":
      return [{ code: JUMP_ANY_BIT, jt: 1, jf: 0, k: test.value }, then];
  }
}

function actionValue(rule: ProfileRule): number {
  return rule.action === "allow" ? ALLOW : ERRNO | rule.action.errno;
}

function searchProgram(list: readonly Range[]): Instruction[] {
  const middle = list[list.length >> 1];
  if (middle === undefined) return [...REFUSED];
  if (list.length === 1) return [...middle.code];
  return branch(
    JUMP_NOT_LESS,
    middle.first,
    searchProgram(list.slice(0, list.length >> 1)),
    searchProgram(list.slice(list.length >> 1)),
  );
}

/** `otherwise` follows at once; `then` lies behind it, by a short jump or, beyond 255 instructions, a long one. */
function branch(
  code: number,
  k: number,
  otherwise: readonly Instruction[],
  then: readonly Instruction[],
): Instruction[] {
  if (otherwise.length < 256) return [{ code, jt: otherwise.length, jf: 0, k }, ...otherwise, ...then];
  return [{ code, jt: 0, jf: 1, k }, { code: JUMP, jt: 0, jf: 0, k: otherwise.length }, ...otherwise, ...then];
}

function load(offset: number): Instruction {
  return { code: LOAD, jt: 0, jf: 0, k: offset };
}

function answer(value: number): Instruction {
  return { code: RETURN, jt: 0, jf: 0, k: value >>> 0 };
}

const ALLOWED = [answer(ALLOW)];
const REFUSED = [answer(ERRNO | EPERM)];
const UNKNOWN = [answer(ERRNO | ENOSYS)];

function sameCode(a: readonly Instruction[] | undefined, b: readonly Instruction[]): boolean {
  if (a === undefined || a.length !== b.length) return false;
  return a === b || a.every((one, at) => sameInstruction(one, b[at]));
}

function sameInstruction(a: Instruction, b: Instruction | undefined): boolean {
  return a.code === b?.code && a.k === b.k && a.jt === b.jt && a.jf === b.jf;
}

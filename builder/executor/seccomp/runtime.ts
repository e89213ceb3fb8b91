// The same profile in the form of the OCI runtime-spec (config-linux.md, Seccomp), for crun and runc.

import type { Capability } from "../sandbox-policy.ts";
import type { ArgumentTest } from "./default-profile.ts";
import { applicableRules, profileArch } from "./program.ts";

const OPERATORS = {
  equal: "SCMP_CMP_EQ",
  less: "SCMP_CMP_LT",
  greater: "SCMP_CMP_GT",
  "masked-zero": "SCMP_CMP_MASKED_EQ",
} as const;

/** The `linux.seccomp` object of a process with these capabilities on this machine. */
export function runtimeSeccomp(capabilities: readonly Capability[]): {
  readonly syscalls: readonly object[];
  readonly [more: string]: unknown;
} {
  const arch = profileArch();
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    architectures:
      arch === "amd64"
        ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    syscalls: applicableRules(arch, capabilities).map((rule) => ({
      names: rule.names,
      ...(rule.action === "allow"
        ? { action: "SCMP_ACT_ALLOW" }
        : { action: "SCMP_ACT_ERRNO", errnoRet: rule.action.errno }),
      ...(rule.test === undefined ? {} : { args: [argument(rule.test)] }),
    })),
  };
}

function argument(test: ArgumentTest): object {
  return { index: test.index, value: test.value, valueTwo: 0, op: OPERATORS[test.op] };
}

// What this process may do as it is: a look that costs nothing, for programs that may never run a step.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findLauncher } from "./find-launcher.ts";
import { readHostFacts } from "./host-facts.ts";

/** Set in the environment of a program that was started once more in a user namespace, to the kind of that. */
export const NAMESPACE_VARIABLE = "TSBUILD_USERNS";
/** Set beside it: what does not work in that namespace, one note a line. */
export const NOTES_VARIABLE = "TSBUILD_USERNS_NOTES";

/** Bits of what a container's root has and the `chroot` driver needs: CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID, SYS_CHROOT, MKNOD. */
const CHROOT_RIGHTS = [0, 1, 3, 6, 7, 18, 27];
const SYS_ADMIN = 21;

/**
 * Whether this process may do a build's work as it is: with CAP_SYS_ADMIN in its user namespace (real root, or root of
 * one), or as a container's root where no user namespace can be made. A quick look; `planUserNamespace` tries.
 */
export function isPrivileged(): boolean {
  return hasCapability(SYS_ADMIN) || (hasChrootRights() && !allowsUserNamespaces());
}

/** Whether mounts may be made here. */
export function mayMount(): boolean {
  return hasCapability(SYS_ADMIN);
}

/** In whose name the marks of overlays are: only real root may write the kernel's. */
export function overlayXattrs(): "trusted" | "user" {
  return mayMount() && !readHostFacts().inUserNamespace ? "trusted" : "user";
}

/** Whether this process has what root has in a container by default. */
export function hasChrootRights(): boolean {
  return CHROOT_RIGHTS.every(hasCapability);
}

function hasCapability(bit: number): boolean {
  const text = readFileSync("/proc/self/status", "utf8");
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(text)?.[1] ?? "0"}`);
  return ((mask >> BigInt(bit)) & 1n) === 1n;
}

let userNamespaces: boolean | undefined;

/** Tried once, by a root that lacks CAP_SYS_ADMIN: nobody else asks. */
function allowsUserNamespaces(): boolean {
  const launcher = findLauncher();
  userNamespaces ??=
    launcher !== undefined &&
    spawnSync(launcher, ["userns", "self", "0 0 1", "0 0 1", launcher, "probe"], { stdio: "ignore" }).status === 0;
  return userNamespaces;
}

/** What the program before this one found out about this namespace: what will not work in it. */
export function namespaceNotes(env: ReadonlyMap<string, string>): string[] {
  return (env.get(NOTES_VARIABLE) ?? "").split("\n").filter((note) => note !== "");
}

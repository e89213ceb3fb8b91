// What this process may do as it is: a look that costs nothing, for programs that may never run a step.

import { findLauncher } from "./find-launcher.ts";
import { readHostFacts } from "./host-facts.ts";
import { ownCapabilities } from "./own-capabilities.ts";
import type { Capability } from "./sandbox-policy.ts";
import { capabilitiesOf, capabilityMask } from "./sandbox-policy.ts";

/** Set in the environment of a program that was started once more in a user namespace, to the kind of that. */
export const NAMESPACE_VARIABLE = "TSBUILD_USERNS";
/** Set beside it: what does not work in that namespace, one note a line. */
export const NOTES_VARIABLE = "TSBUILD_USERNS_NOTES";

/** Of what a container's root has, what the `chroot` driver needs. */
const CHROOT_RIGHTS = capabilityMask([
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
  "CAP_MKNOD",
]);
const SYS_ADMIN = capabilityMask(["CAP_SYS_ADMIN"]);

/**
 * Whether this process may do a build's work as it is: with CAP_SYS_ADMIN in its user namespace (real root, or root of
 * one), or as a container's root where no user namespace can be made. A quick look; `planUserNamespace` tries.
 */
export function isPrivileged(): boolean {
  return mayMount() || (hasChrootRights() && !allowsUserNamespaces());
}

/** Whether mounts may be made here. */
export function mayMount(): boolean {
  return hasAll(SYS_ADMIN);
}

/** In whose name the marks of overlays are: only real root may write the kernel's. */
export function overlayXattrs(): "trusted" | "user" {
  return mayMount() && !readHostFacts().inUserNamespace ? "trusted" : "user";
}

/** Whether this process has what root has in a container by default. */
export function hasChrootRights(): boolean {
  return hasAll(CHROOT_RIGHTS);
}

/** What is lacking for that. */
export function missingChrootRights(): readonly Capability[] {
  return capabilitiesOf(CHROOT_RIGHTS & ~ownCapabilities().effective);
}

function hasAll(mask: bigint): boolean {
  return (ownCapabilities().effective & mask) === mask;
}

let userNamespaces: boolean | undefined;

/** Tried once, by a root that lacks CAP_SYS_ADMIN: nobody else asks. */
function allowsUserNamespaces(): boolean {
  // Not imported: nearly nobody comes here, and everybody starts.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
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

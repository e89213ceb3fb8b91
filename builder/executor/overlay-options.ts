// The options of every overlay mount of a step.

import type { OverlayStack } from "./executor.ts";
import type { HostFacts } from "./host-facts.ts";

/**
 * In a user namespace the overlay must keep its marks in `user.*` (without that it mounts, and removing a merged directory
 * then fails with EIO); redirect_dir=off is refused there on some kernels. Elsewhere what the kernel was built with must not
 * decide what an upper contains, so everything that leaves marks is off. `volatile`: fsync in a step is waste, since a step
 * that a crash interrupts is thrown away whole.
 */
export function overlayOptions(stack: OverlayStack, host: HostFacts): string {
  const marks = host.inUserNamespace
    ? ["userxattr", "index=off"]
    : ["metacopy=off", "redirect_dir=nofollow", "index=off"];
  return [...marks, ...(stack.upper === undefined ? [] : ["volatile"])].join(",");
}

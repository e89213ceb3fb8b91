// What this machine can do for a build, found out by trying.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { whyNoOverlay } from "./choose-snapshotter.ts";
import { BuildError } from "./core/errors.ts";
import { chooseExecutor, probeDrivers } from "./executor/choose.ts";
import type { DriverProbe } from "./executor/executor.ts";
import { isPrivileged, mayMount, overlayXattrs } from "./executor/rights.ts";
import { isInsideUserNamespace, planUserNamespace } from "./executor/user-namespace.ts";

export interface Examination {
  /** How RUN gets its rights: as they are, or through a user namespace of one or many ids; or this process is in one already; or there are none to be had, and another root is all. */
  readonly namespace: "direct" | "subordinate" | "single" | "impossible" | "inside" | "chroot";
  /** What is missing there, and the one thing to do about it. */
  readonly notes: readonly string[];
}

/** Which way into a namespace there is. */
export async function examineNamespace(environment: NodeJS.ProcessEnv): Promise<Examination> {
  if (isInsideUserNamespace(environment)) return { namespace: "inside", notes: [] };
  try {
    const plan = await planUserNamespace(environment);
    return { namespace: plan.kind, notes: plan.notes };
  } catch (error) {
    if (!(error instanceof BuildError) || error.code !== "SANDBOX") throw error;
    const notes = [error.message, ...(error.hint === undefined ? [] : [error.hint])];
    return { namespace: isPrivileged() && !mayMount() ? "chroot" : "impossible", notes };
  }
}

/** What each sandbox driver says. Only inside the namespace that steps run in do they say the truth. */
export async function examineDrivers(): Promise<readonly DriverProbe[]> {
  return await probeDrivers();
}

/** Why the rootfs of a RUN has to be copied, tried on the file system that holds the store, or will; undefined where overlays work. */
export async function examineOverlay(root: string): Promise<string | undefined> {
  let parent = root;
  while (!existsSync(parent)) parent = dirname(parent);
  const workDirectory = mkdtempSync(join(parent, ".tsbuild-doctor-"));
  try {
    const { executor } = await chooseExecutor();
    return await whyNoOverlay({ workDirectory, overlayXattrs: overlayXattrs() }, executor);
  } finally {
    rmSync(workDirectory, { recursive: true, force: true });
  }
}

// What this machine can do for a build, found out by trying.

import { BuildError } from "./core/errors.ts";
import { probeDrivers } from "./executor/choose.ts";
import type { DriverProbe } from "./executor/executor.ts";
import { isInsideUserNamespace, planUserNamespace } from "./executor/user-namespace.ts";

export interface Examination {
  /** How RUN gets its rights: as they are, or through a user namespace of one or many ids; or this process is in one already. */
  readonly namespace: "direct" | "subordinate" | "single" | "impossible" | "inside";
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
    return { namespace: "impossible", notes: [error.message, ...(error.hint === undefined ? [] : [error.hint])] };
  }
}

/** What each sandbox driver says. Only inside the namespace that steps run in do they say the truth. */
export async function examineDrivers(): Promise<readonly DriverProbe[]> {
  return await probeDrivers();
}

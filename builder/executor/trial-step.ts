// The smallest step there is, for finding out what this machine permits.

import type { StepSpec } from "./executor.ts";
import { DEFAULT_SHM_BYTES } from "./sandbox-policy.ts";

/** Runs `args` as root of the given root, with nothing mounted and the host's network; what it prints is lost. */
export function trialStep(id: string, root: StepSpec["root"], scratch: string, args: readonly string[]): StepSpec {
  return {
    id,
    root,
    mounts: [],
    process: { args, env: [], cwd: "/", uid: 0, gid: 0, additionalGids: [], security: "sandbox", ulimits: [] },
    network: "host",
    hostname: "trial",
    extraHosts: [],
    shmSizeBytes: DEFAULT_SHM_BYTES,
    scratch,
    output: () => undefined,
  };
}

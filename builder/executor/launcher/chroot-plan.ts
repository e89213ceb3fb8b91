// A step without namespaces and mounts as the launcher's records: a root, and the process.

import type { StepSpec } from "../executor.ts";
import type { HostFacts } from "../host-facts.ts";
import type { Capability } from "../sandbox-policy.ts";
import { SpecWriter, STEP_FLAG } from "./spec.ts";
import { addCredentials, checkIds } from "./step-plan.ts";

/** The spec's bytes. A filter of system calls is the container's: loading one takes rights that it does not have. */
export function planChroot(step: StepSpec, root: string, host: HostFacts, capabilities: readonly Capability[]): Buffer {
  checkIds(step, host);
  const spec = new SpecWriter();
  spec.flags(0, typeof step.output === "function" ? STEP_FLAG.pipes : 0);
  spec.rootDirectory(root);
  spec.cwd(step.process.cwd);
  addCredentials(spec, step, host, capabilities);
  spec.env(step.process.env);
  spec.args(step.process.args);
  return spec.finish();
}

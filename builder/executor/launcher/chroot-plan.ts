// A step without namespaces and mounts as the launcher's records: a root, what its supervisor answers, and the process.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { StepSpec } from "../executor.ts";
import type { HostFacts } from "../host-facts.ts";
import type { Capability } from "../sandbox-policy.ts";
import { mountTable } from "./mount-table.ts";
import type { WatchedPlace } from "./spec.ts";
import { SpecWriter, STEP_FLAG, WATCH_FLAG } from "./spec.ts";
import { addCredentials, checkIds } from "./step-plan.ts";

export interface ChrootPlan {
  readonly root: string;
  readonly capabilities: readonly Capability[];
  /** What lies where mounts would be, if a supervisor answers the step's system calls; undefined if none does. */
  readonly places: readonly WatchedPlace[] | undefined;
  /** Directories of the root that an overlay would have merged, beside those of its layers. */
  readonly changed: readonly BytePath[];
  /** It is shown the capability to change its root, which it has not. */
  readonly showsChroot: boolean;
}

/** The spec's bytes. What a step must not call is the container's filter's to say: loading one takes rights that it does not have. */
export function planChroot(step: StepSpec, plan: ChrootPlan, host: HostFacts): Buffer {
  checkIds(step, host);
  const spec = new SpecWriter();
  spec.flags(0, typeof step.output === "function" ? STEP_FLAG.pipes : 0);
  spec.rootDirectory(plan.root);
  spec.cwd(step.process.cwd);
  if (plan.places !== undefined) {
    const flags = (step.network === "none" ? WATCH_FLAG.noNetwork : 0) | (plan.showsChroot ? WATCH_FLAG.showChroot : 0);
    spec.watch(step.hostname, mountTable(step), flags, plan.places);
    spec.merged([...((step.root.kind === "directory" ? step.root.merged?.() : undefined) ?? []), ...plan.changed]);
  }
  addCredentials(spec, step, host, plan.capabilities);
  spec.env(step.process.env);
  spec.args(step.process.args);
  return spec.finish();
}

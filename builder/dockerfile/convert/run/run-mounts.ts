// Mounts of RUN: options to what an exec op takes.

import type { ExecMount } from "../../../graph/op.ts";
import type { Conversion, Inputs } from "../conversion.ts";
import { fault } from "../fault.ts";
import type { Mount } from "./mounts.ts";
import { absolute, cleanPath, fromRoot } from "../paths.ts";
import { EMPTY_TREE, workingDir } from "../stages/stage.ts";
import type { Stage, Tree } from "../stages/stage.ts";

/**
 * The mounts of an exec: binds, caches and tmpfs in the order of their targets, so that
 * one may lie in another; then secrets; then agents. `sources` has a stage for each mount;
 * `own` are mounts that the step needs for itself.
 */
export async function execMounts(
  conversion: Conversion,
  stage: Stage,
  mounts: readonly Mount[],
  sources: readonly Stage[],
  inputs: Inputs,
  own: readonly ExecMount[],
): Promise<ExecMount[]> {
  const trees: ExecMount[] = [...own];
  const secrets: ExecMount[] = [];
  const agents: ExecMount[] = [];
  for (const [index, mount] of mounts.entries()) {
    const source = mount.from === "" ? undefined : sources[index];
    if (source !== undefined && !source.isDone) {
      throw fault(
        `cannot mount from stage "${mount.from}" to "${mount.target}", stage needs to be defined before current command`,
      );
    }
    switch (mount.type) {
      case "secret":
        secrets.push(secretMount(stage, mount));
        break;
      case "ssh":
        agents.push(agentMount(stage, mount, agents.length));
        break;
      case "tmpfs":
        trees.push(tmpfsMount(mount, mountTarget(stage, mount)));
        break;
      case "bind":
        trees.push(
          bindMount(mount, mountTarget(stage, mount), source?.tree ?? (await conversion.mainContext()), inputs),
        );
        break;
      case "cache":
        trees.push(cacheMount(conversion, mount, mountTarget(stage, mount), source?.tree ?? EMPTY_TREE, inputs));
        break;
    }
  }
  trees.sort((a, b) => compare(targetOf(a), targetOf(b)));
  return [...trees, ...secrets, ...agents];
}

function targetOf(mount: ExecMount): string {
  return mount.target ?? "";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function mountTarget(stage: Stage, mount: Mount): string {
  const target = cleanPath(absolute(workingDir(stage), mount.target));
  if (target === "/") throw fault(`invalid mount target "${target}"`);
  return target;
}

/** A tmpfs that nobody may write to is an empty directory. */
function tmpfsMount(mount: Mount, target: string): ExecMount {
  if (mount.readonly) return { type: "bind", input: -1, selector: "/", target, readonly: true };
  return { type: "tmpfs", target, ...(mount.sizeBytes > 0 ? { sizeBytes: mount.sizeBytes } : {}) };
}

function bindMount(mount: Mount, target: string, tree: Tree, inputs: Inputs): ExecMount {
  return {
    type: "bind",
    input: inputs.add(tree.vertex),
    selector: fromRoot(mount.source),
    target,
    readonly: mount.readonly,
  };
}

function cacheMount(conversion: Conversion, mount: Mount, target: string, tree: Tree, inputs: Inputs): ExecMount {
  const selector = fromRoot(mount.source);
  if (selector !== "/" && mount.from === "")
    throw fault(
      `source "${mount.source}" of a cache mount needs from=: it is a folder of the stage that the mount begins with`,
    );
  // With an owner or mode the directory is made new, whatever `from` holds.
  const isNew = selector === "/" && (mount.uid ?? mount.gid ?? mount.mode) !== undefined;
  const namespace = conversion.buildArgs.get("BUILDKIT_CACHE_MOUNT_NS") ?? "";
  return {
    type: "cache",
    input: isNew ? -1 : inputs.add(tree.vertex),
    selector,
    target,
    id: `${namespace}/${mount.id === "" ? cleanPath(mount.target) : mount.id}`,
    sharing: mount.sharing ?? "shared",
    readonly: mount.readonly,
    mode: isNew ? (mount.mode ?? 0o755) : 0o755,
    uid: isNew ? (mount.uid ?? 0) : 0,
    gid: isNew ? (mount.gid ?? 0) : 0,
  };
}

function secretMount(stage: Stage, mount: Mount): ExecMount {
  const id = mount.source || mount.id || lastPart(mount.target);
  const target = mount.target || (mount.env === undefined ? `/run/secrets/${lastPart(id)}` : undefined);
  return {
    type: "secret",
    id,
    ...(target === undefined ? {} : { target: absolute(workingDir(stage), target) }),
    ...(mount.env === undefined ? {} : { env: mount.env }),
    required: mount.required,
    mode: mount.mode ?? 0o400,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

function lastPart(path: string): string {
  return cleanPath(path).split("/").at(-1) || "/";
}

function agentMount(stage: Stage, mount: Mount, index: number): ExecMount {
  return {
    type: "ssh",
    id: mount.id || "default",
    target: absolute(workingDir(stage), mount.target || `/run/buildkit/ssh_agent.${index}`),
    required: mount.required,
    mode: mount.mode ?? 0o600,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

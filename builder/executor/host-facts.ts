// What the process finds around it, read once: its user namespace and the machine's cgroups.

import { existsSync } from "node:fs";
import { readText } from "./read-text.ts";

export interface HostFacts {
  /** Whether this is another user namespace than the machine's first one. */
  readonly inUserNamespace: boolean;
  /** Ids that exist in this user namespace: [first, count]. */
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** A single-id namespace had to give up setgroups. */
  readonly setgroups: boolean;
  /** "v2": the unified hierarchy alone; "v1": version 1, also beside a version 2 (hybrid). */
  readonly cgroup: "v2" | "v1" | "none";
}

export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** Looks at /proc and /sys; what cannot be read counts as the ordinary case. */
export function readHostFacts(): HostFacts {
  const uidMap = readText("/proc/self/uid_map");
  const uids = insideRanges(uidMap);
  return {
    inUserNamespace: !/^\s*0\s+0\s+4294967295\s*$/.test(uidMap),
    uids,
    gids: insideRanges(readText("/proc/self/gid_map")),
    setgroups: readText("/proc/self/setgroups").trim() !== "deny",
    cgroup: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "v2" : existsSync("/sys/fs/cgroup") ? "v1" : "none",
  };
}

/** Whether the id exists in the ranges. */
export function hasId(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some((range) => id >= range.first && id < range.first + range.count);
}

/** The supplementary groups to set. Where that is forbidden, a process with no other group than its own needs none. */
export function groupsToSet(
  process: { gid: number; additionalGids: readonly number[] },
  host: HostFacts,
): readonly number[] {
  const { gid, additionalGids } = process;
  return !host.setgroups && additionalGids.every((id) => id === gid) ? [] : additionalGids;
}

function insideRanges(map: string): IdRange[] {
  return map
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((numbers) => numbers.length === 3)
    .map(([first = 0, , count = 0]) => ({ first, count }));
}

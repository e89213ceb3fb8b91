// Which way the rootfs of a RUN comes to be: overlay where it works, copy elsewhere. Found
// out by mounting one on the file system of the store, never by its name.

import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { asBuildError, BuildError } from "./core/errors.ts";
import type { Executor, StepSpec } from "./executor/executor.ts";
import { OverlayTree } from "./layer/overlay-tree.ts";
import { copySnapshotter } from "./snapshot/copy.ts";
import { overlaySnapshotter } from "./snapshot/overlay.ts";
import type { LayerPlace } from "./snapshot/ports.ts";
import type { Snapshotter } from "./snapshot/snapshotter.ts";

/** What may be asked for; "auto" tries. */
export type SnapshotterName = "auto" | "overlay" | "copy";

/** Takes the one asked for, or the better one that works. */
export async function chooseSnapshotter(wanted: SnapshotterName, place: LayerPlace, executor: () => Promise<Executor>): Promise<Snapshotter> {
  const isOverlay = wanted === "overlay" || (wanted === "auto" && (await whyNoOverlay(place, await executor())) === undefined);
  return isOverlay ? overlaySnapshotter(place) : copySnapshotter(place);
}

/** Why no overlay can be mounted with its upper in a folder; undefined when one was. */
export async function whyNoOverlay(place: Pick<LayerPlace, "workDirectory" | "overlayXattrs">, executor: Executor): Promise<string | undefined> {
  const base = mkdtempSync(join(place.workDirectory, "overlay-"));
  try {
    const [lower, second, upper, work, scratch] = ["lower", "second", "upper", "work", "scratch"].map((name) => join(base, name)) as [string, string, string, string, string];
    for (const directory of [lower, second, work, scratch]) mkdirSync(directory);
    // What a kernel does without in silence: the marks of deleted and of replaced directories.
    const tree = new OverlayTree(upper, place.overlayXattrs);
    tree.makeWhiteout("gone");
    tree.makeDirectory("replaced");
    tree.makeOpaque("replaced");
    const result = await executor.run(trial({ lowers: [lower, second], upper, work }, scratch), NEVER);
    return result.exitCode === 127 ? undefined : `a trial step ended with exit code ${result.exitCode}`;
  } catch (error) {
    // The program of the trial is missing: it came as far as looking for it.
    return error instanceof BuildError && error.code === "RUN_FAILED" ? undefined : asBuildError(error).message;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

const NEVER = new AbortController().signal;

function trial(stack: { lowers: string[]; upper: string; work: string }, scratch: string): StepSpec {
  return {
    id: "overlay-trial",
    root: { kind: "overlay", stack, readonly: false },
    mounts: [],
    process: { args: ["/missing"], env: [], cwd: "/", uid: 0, gid: 0, additionalGids: [], security: "sandbox", ulimits: [] },
    network: "host",
    hostname: "trial",
    extraHosts: [],
    shmSizeBytes: 65536,
    scratch,
    output: () => undefined,
  };
}

// Which way the rootfs of a RUN comes to be: overlay where it works, copy elsewhere. Found
// out by mounting one on the file system of the store, never by its name.

import { mkdirSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOf } from "./core/digest.ts";
import { asBuildError, BuildError } from "./core/errors.ts";
import type { Executor } from "./executor/executor.ts";
import { trialStep } from "./executor/trial-step.ts";
import { OverlayTree } from "./layer/tree/overlay-tree.ts";
import { copySnapshotter } from "./snapshot/copy.ts";
import { overlaySnapshotter } from "./snapshot/overlay.ts";
import type { LayerPlace } from "./snapshot/ports.ts";
import type { Snapshotter } from "./snapshot/snapshotter.ts";

/** What may be asked for; "auto" tries. */
export type SnapshotterName = "auto" | "overlay" | "copy";

/** What was found out before, by key. */
export interface TrialMemory {
  fact(key: Digest): string | undefined;
  saveFact(key: Digest, value: string): void;
}

/** Takes the one asked for, or the better one that works. Throws `SANDBOX` when the overlay that was asked for does not. */
export async function chooseSnapshotter(
  wanted: SnapshotterName,
  place: LayerPlace,
  executor: () => Promise<Executor>,
  memory: TrialMemory,
): Promise<Snapshotter> {
  if (wanted === "copy") return copySnapshotter(place);
  const why = await findWhyNoOverlay(place, executor, memory);
  if (why === undefined) return overlaySnapshotter(place);
  if (wanted === "auto") return { ...copySnapshotter(place), note: why };
  throw new BuildError(
    "SANDBOX",
    `--snapshotter overlay: no overlay can be mounted in "${place.workDirectory}": ${why}`,
    {
      hint: "leave the flag out, or keep the store on another file system with --root (tsbuild doctor tries it)",
    },
  );
}

/** A trial costs as much as a step. That one went well is remembered as long as the machine runs and the store stays where it is; that one did not, never. */
async function findWhyNoOverlay(
  place: LayerPlace,
  executor: () => Promise<Executor>,
  memory: TrialMemory,
): Promise<string | undefined> {
  const bootId = readBootId();
  const where = [bootId, statSync(place.workDirectory).dev, place.overlayXattrs, (await executor()).driver];
  const key = digestOf(`overlay works ${where.join(" ")}`);
  if (bootId !== undefined && memory.fact(key) !== undefined) return undefined;
  const why = await whyNoOverlay(place, await executor());
  if (why === undefined && bootId !== undefined) memory.saveFact(key, "yes");
  return why;
}

function readBootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Why no overlay can be mounted with its upper in a folder; undefined when one was. */
export async function whyNoOverlay(
  place: Pick<LayerPlace, "workDirectory" | "overlayXattrs">,
  executor: Executor,
): Promise<string | undefined> {
  const base = mkdtempSync(join(place.workDirectory, "overlay-"));
  try {
    const [lower, second, upper, work, scratch] = ["lower", "second", "upper", "work", "scratch"].map((name) =>
      join(base, name),
    ) as [string, string, string, string, string];
    for (const directory of [lower, second, work, scratch]) mkdirSync(directory);
    // What a kernel does without in silence: the marks of deleted and of replaced directories.
    const tree = new OverlayTree(upper, place.overlayXattrs);
    tree.makeWhiteout("gone");
    tree.makeDirectory("replaced");
    tree.makeOpaque("replaced");
    const stack = { lowers: [lower, second], upper, work };
    const step = trialStep("overlay-trial", { kind: "overlay", stack, readonly: false }, scratch, ["/missing"]);
    const result = await executor.run(step, NEVER);
    return result.exitCode === 127 ? undefined : `a trial step ended with exit code ${result.exitCode}`;
  } catch (error) {
    // The program of the trial is missing: it came as far as looking for it.
    return error instanceof BuildError && error.code === "RUN_FAILED" ? undefined : asBuildError(error).message;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

const NEVER = new AbortController().signal;

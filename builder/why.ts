// `tsbuild why`, `--explain` and `--dry-run`: for each step whether it ran, and why.

import { join } from "node:path";
import { openDatabase } from "./cache/database.ts";
import { prunedAt } from "./cache/pruned.ts";
import { StepRecords } from "./cache/step-records.ts";
import type { Digest } from "./core/digest.ts";
import type { ExplainedStep, Reason, StepHistory } from "./engine/caches/explanation.ts";
import { Explainer, read } from "./engine/caches/explanation.ts";
import type { BuildRecord, BuildStatus, StepRecord } from "./records/build-record.ts";
import { findStep } from "./records/build-record.ts";
import { isStopped } from "./records/timeline.ts";
import { Listings } from "./records/listings.ts";
import { rememberedBuild } from "./builds.ts";
import { explain } from "./store/layout.ts";
import { stepRecordsFile } from "./engine/recording/step-memory.ts";

export type { Reason } from "./engine/caches/explanation.ts";
export type { Difference, FileChange, FileState, InputThen } from "./records/ingredients.ts";

/** What became, or would become, of a step. `may-run`: whether it would is decided by files that another step makes. */
export type StepOutcome =
  "ran" | "failed" | "cancelled" | "cached" | "not-run" | "would-run" | "would-be-cached" | "may-run";

/** One step with why. */
export interface StepReason {
  readonly vertex: Digest;
  /** "[2/5] RUN make". */
  readonly name: string;
  /** "Dockerfile:7". */
  readonly place?: string;
  readonly outcome: StepOutcome;
  /** The cache elsewhere that a cached one came from. */
  readonly cachedFrom?: string;
  /** Of a step that ran, failed or would run. */
  readonly reason?: Reason;
}

/** Why the steps of a build ran. */
export interface BuildReasons {
  /** Id of the build; undefined for one that has not been. */
  readonly build?: string;
  /** How it ended. */
  readonly status?: BuildStatus;
  readonly steps: readonly StepReason[];
}

/** Why the steps of a remembered build ran, or one of them, named as for `shell`. Throws `USAGE`, `INPUT_MISSING`. */
export async function whyOfBuild(root: string, build: string | undefined, step?: string): Promise<BuildReasons> {
  const record = rememberedBuild(root, build);
  const only = step === undefined ? undefined : findStep(record, step);
  using history = openHistory(root);
  const explained = record.steps.map((each) => explainedOf(record, each, history));
  const explainer = new Explainer(history, explained, record.startedMs);
  const steps: StepReason[] = [];
  for (const [place, each] of record.steps.entries()) {
    if (each.kind === "source" || each.kind === "merge" || (only !== undefined && only !== place)) continue;
    const own = explained[place];
    const { vertex, name, ran } = each;
    const at = each.place === undefined ? {} : { place: each.place };
    const outcome = ran === "done" ? "ran" : (ran ?? fateOf(record, vertex));
    const reason = ran === undefined || own?.key === undefined ? undefined : await explainer.explain(own);
    const from = outcome === "cached" ? originOf(record, vertex) : undefined;
    const origin = from === undefined ? {} : { cachedFrom: from };
    steps.push({ vertex, name, ...at, outcome, ...origin, ...(reason === undefined ? {} : { reason }) });
  }
  return { build: record.id, status: record.status, steps };
}

function explainedOf(record: BuildRecord, step: StepRecord, history: StepHistory): ExplainedStep {
  const { key, before } = step;
  const known = step.ran === undefined || key === undefined ? undefined : history.find(key);
  return {
    key: key ?? step.vertex,
    ingredients: known && read(known),
    place: known,
    createdMs: known?.createdMs,
    noCache: isForced(record, step),
    before,
  };
}

/** Whether a step, or one that it stands on, was asked for without the cache. */
function isForced({ steps }: BuildRecord, step: StepRecord): boolean {
  for (let at: StepRecord | undefined = step; at !== undefined; at = at.base === undefined ? undefined : steps[at.base])
    if (at.noCache === true && at.ran !== undefined) return true;
  return false;
}

/** What became of a step that did not run to its end. */
function fateOf({ timeline }: BuildRecord, vertex: Digest): StepOutcome {
  const told = timeline.steps.filter((step) => step.vertex === vertex);
  if (told.some(({ cached }) => cached === true)) return "cached";
  return told.some(isStopped) ? "cancelled" : "not-run";
}

function originOf({ timeline }: BuildRecord, vertex: Digest): string | undefined {
  return timeline.steps.find((step) => step.vertex === vertex)?.cachedFrom;
}

function stepRecordsOf(root: string): StepRecords {
  try {
    return new StepRecords(stepRecordsFile(root));
  } catch (error) {
    throw explain(root, "STORE", error);
  }
}

/** What is remembered of the steps of a store. Disposing it closes the files. Throws `STORE`. */
export function openHistory(root: string): StepHistory & Disposable {
  using opened = new DisposableStack();
  const records = opened.use(stepRecordsOf(root));
  const { database } = openDatabase(join(root, "tsbuild/cache.db"));
  opened.defer(() => database.close());
  const listings = new Listings(root);
  const held = opened.move();
  return {
    find: (key) => records.find(key),
    like: (place, beforeMs) => records.like(place, beforeMs),
    listing: (digest) => listings.read(digest),
    prunedAt: (key) => prunedAt(database, key)?.atMs,
    [Symbol.dispose]: () => held.dispose(),
  };
}

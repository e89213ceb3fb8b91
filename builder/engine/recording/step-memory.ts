// The end of a build for those of its steps that were run: what went into their keys is remembered, for `tsbuild why`. Of a
// build that ran nothing this is not even loaded.

import { join } from "node:path";
import type { Withheld } from "../../attest/withheld.ts";
import type { SolvedGraph } from "./build-recording.ts";
import type { KnownStep } from "../../cache/step-records.ts";
import { StepRecords } from "../../cache/step-records.ts";
import type { Digest } from "../../core/digest.ts";
import { topological } from "../../graph/vertex.ts";
import type { StepRecord } from "../../records/build-record.ts";
import { Listings } from "../../records/listings.ts";
import type { BuildRequest } from "../../request.ts";
import { ingredientsOf, knownStep } from "./step-ingredients.ts";

/** What became of a step in this build, and what was known of it before. */
export type StepFate = Pick<StepRecord, "ran" | "before">;

/** Where what is remembered of steps lies. */
export function stepRecordsFile(root: string): string {
  return join(root, "tsbuild/steps.db");
}

export interface StepMemory {
  readonly solved: SolvedGraph;
  /** How the steps ended that were run, by vertex. */
  readonly ran: ReadonlyMap<Digest, "done" | "failed">;
  readonly request: BuildRequest;
  readonly withheld: Withheld;
  readonly context: string;
}

/** Remembers the steps that ran; what became of each, by vertex. */
export async function rememberSteps({
  solved,
  ran,
  request,
  withheld,
  context,
}: StepMemory): Promise<ReadonlyMap<Digest, StepFate>> {
  const fates = new Map<Digest, StepFate>();
  // A stack of layers is made anew each time; who stands on it must know what is in it.
  const wanted = topological(solved.targets).filter(
    ({ op, digest }) => op.kind === "merge" || (op.kind !== "source" && ran.has(digest)),
  );
  const { keys, files } = solved;
  const listings = new Listings(request.root);
  const sources = { keys, files, listings, buildArgs: request.buildArgs, withheld, context };
  using records = new StepRecords(stepRecordsFile(request.root));
  const steps: KnownStep[] = [];
  const createdMs = records.after(request.now());
  for (const vertex of wanted) {
    const key = keys.get(vertex.digest);
    if (key === undefined) continue;
    const known = records.find(key);
    const isDone = vertex.op.kind === "merge" || ran.get(vertex.digest) === "done";
    const before = known === undefined ? {} : ({ before: known.isDone ? "done" : "failed" } as const);
    fates.set(vertex.digest, { ran: isDone ? "done" : "failed", ...before });
    // What went into the key of a step that is known is the same.
    if (known?.isDone === true) continue;
    const ingredients = await ingredientsOf(vertex, sources);
    steps.push(knownStep(key, vertex, ingredients, { createdMs, isDone }));
  }
  records.save(steps);
  return fates;
}

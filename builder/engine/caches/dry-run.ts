// What a build would do: which of its steps would run, and why. Files are read and base images looked up; nothing is run.

import type { Digest } from "../../core/digest.ts";
import type { ExplainedStep, Reason } from "./explanation.ts";
import { Explainer } from "./explanation.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import { builtUpon } from "../../ops/keys.ts";
import type { OpResult } from "../../ops/result.ts";
import type { InputThen } from "../../records/ingredients.ts";
import { Listings } from "../../records/listings.ts";
import { contextText } from "../recording/recorded-request.ts";
import type { BuildRequest } from "../../request.ts";
import { withheldOf } from "../secrets/secret-values.ts";
import type { PlannedResult, Solver } from "../../solver/solver.ts";
import type { KeyFilesByVertex } from "../recording/step-files.ts";
import { ingredientsOf, placeOf } from "../recording/step-ingredients.ts";
import type { BuildReasons, StepOutcome, StepReason } from "../../why.ts";
import { openHistory } from "../../why.ts";

export interface DryRun {
  readonly request: BuildRequest;
  readonly targets: readonly Vertex[];
  readonly solver: Solver<OpResult>;
  /** What the solver's keys are made of. */
  readonly files: KeyFilesByVertex;
}

/** What would become of each step of a build. */
export async function planOf({ request, targets, solver, files }: DryRun): Promise<BuildReasons> {
  const plan = await solver.plan(targets);
  const keys = await solver.knownKeys();
  using history = openHistory(request.root);
  const withheld = await withheldOf(request);
  const { buildArgs, root } = request;
  const sources = {
    keys,
    files,
    listings: new Listings(root),
    buildArgs,
    withheld,
    context: withheld.scrub(contextText(request.context)),
  };
  const order = topological(targets);
  const wanted = wantedOf(order, targets, plan);
  const explained = new Map<Digest, ExplainedStep>();
  for (const vertex of order) {
    const key = keys.get(vertex.digest);
    if (vertex.op.kind === "source" || key === undefined || plan.get(vertex.digest) === "known") continue;
    const ingredients = await ingredientsOf(vertex, sources);
    const known = history.find(key);
    explained.set(vertex.digest, {
      key,
      ingredients,
      place: placeOf(vertex, ingredients),
      noCache: isForced(vertex),
      before: known === undefined ? undefined : known.isDone ? "done" : "failed",
    });
  }
  const explainer = new Explainer(history, [...explained.values()], Number.POSITIVE_INFINITY);
  const steps: StepReason[] = [];
  for (const vertex of order) {
    if (vertex.op.kind === "source" || vertex.op.kind === "merge") continue;
    const { name, location } = vertex.options;
    const outcome = outcomeOf(plan.get(vertex.digest), wanted.has(vertex.digest));
    const reason = await reasonOf(vertex, outcome, explained.get(vertex.digest), explainer, plan);
    steps.push({
      vertex: vertex.digest,
      name: withheld.scrub(name),
      ...(location === undefined ? {} : { place: `${location.file}:${location.range.startLine}` }),
      outcome,
      ...(reason === undefined ? {} : { reason }),
    });
  }
  return { steps };
}

async function reasonOf(
  vertex: Vertex,
  outcome: StepOutcome,
  step: ExplainedStep | undefined,
  explainer: Explainer,
  plan: ReadonlyMap<Digest, PlannedResult>,
): Promise<Reason | undefined> {
  if (outcome === "may-run") return { kind: "open", steps: whatDecides(vertex, plan) };
  if (outcome !== "would-run") return undefined;
  return isForced(vertex) || step === undefined ? { kind: "no-cache" } : await explainer.explain(step);
}

/** What has to be made: what is wanted of it and is not known, with all that that needs; and what files are read from to find keys. */
function wantedOf(
  order: readonly Vertex[],
  targets: readonly Vertex[],
  plan: ReadonlyMap<Digest, PlannedResult>,
): ReadonlySet<Digest> {
  const wanted = new Set(targets.map(({ digest }) => digest));
  for (const vertex of order) {
    const upon = new Set(builtUpon(vertex));
    for (const [number, input] of vertex.inputs.entries()) if (!upon.has(number)) wanted.add(input.digest);
  }
  for (const { digest, inputs } of order.toReversed())
    if (wanted.has(digest) && plan.get(digest) !== "known") for (const input of inputs) wanted.add(input.digest);
  return wanted;
}

function outcomeOf(planned: PlannedResult | undefined, isWanted: boolean): StepOutcome {
  if (planned === "known") return "would-be-cached";
  if (!isWanted) return "not-run";
  return planned === "open" ? "may-run" : "would-run";
}

/** The steps whose files decide it: those that would run and that it, or what it stands on, reads from. */
function whatDecides(vertex: Vertex, plan: ReadonlyMap<Digest, PlannedResult>): InputThen[] {
  const upon = new Set(builtUpon(vertex));
  const reads = vertex.inputs.filter(({ digest }, number) => !upon.has(number) && plan.get(digest) !== "known");
  const below = vertex.inputs.filter(({ digest }, number) => upon.has(number) && plan.get(digest) === "open");
  return reads.length > 0
    ? reads.map(({ options: { name, location } }) => ({
        name,
        ...(location === undefined ? {} : { place: `${location.file}:${location.range.startLine}` }),
      }))
    : below.flatMap((input) => whatDecides(input, plan));
}

function isForced(vertex: Vertex): boolean {
  for (let at: Vertex | undefined = vertex; at !== undefined; at = at.inputs[builtUpon(at)[0] ?? -1])
    if (at.options.ignoreCache === true) return true;
  return false;
}

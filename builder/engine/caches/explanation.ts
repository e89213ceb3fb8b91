// Why a step ran: what went into its key, held against the nearest earlier one. Followed down to the step where it began.

import { WITHHELD } from "../../attest/withheld.ts";
import type { KnownStep } from "../../cache/step-records.ts";
import type { Digest } from "../../core/digest.ts";
import type { Difference, Ingredients, InputThen, ReadListing } from "../../records/ingredients.ts";
import { differencesOf, distance } from "../../records/ingredients.ts";

/** Why a step had to be run. */
export type Reason =
  /** Nothing like it is known. */
  | { readonly kind: "never" }
  /** `--no-cache`, for it or for what it stands on. */
  | { readonly kind: "no-cache" }
  /** Its result was there and was pruned. */
  | { readonly kind: "pruned"; readonly atMs: number }
  /** Its result was there and is not any more. */
  | { readonly kind: "gone" }
  /** Nothing changed since it failed. */
  | { readonly kind: "failed" }
  | {
      readonly kind: "changed";
      readonly differences: readonly Difference[];
      /** When the nearest one was made, ms since the epoch. */
      readonly sinceMs: number;
      /** The step in which a difference of what it stands on began, and what is different there. */
      readonly root?: { readonly step: InputThen; readonly differences: readonly Difference[] };
    }
  /** It is not known yet: it reads what these steps would make. */
  | { readonly kind: "open"; readonly steps: readonly InputThen[] }
  /** It must be something that is not written down: the value of a secret argument. */
  | {
      readonly kind: "unknown";
      /** Variables that it may be. */
      readonly withheld?: readonly string[];
    };

/** A step to be explained. */
export interface ExplainedStep {
  readonly key: Digest;
  /** Undefined when they are not known any more. */
  readonly ingredients: Ingredients | undefined;
  readonly place: Pick<KnownStep, "definition" | "site"> | undefined;
  /** When it was remembered (`KnownStep.createdMs`): what came later says nothing of it. Absent: it is not remembered yet. */
  readonly createdMs?: number | undefined;
  readonly noCache: boolean;
  readonly before: "done" | "failed" | undefined;
}

/** What is remembered of steps. */
export interface StepHistory {
  find(key: Digest): KnownStep | undefined;
  like(place: Pick<KnownStep, "definition" | "site">, beforeMs: number): readonly KnownStep[];
  readonly listing: ReadListing;
  readonly prunedAt: (key: Digest) => number | undefined;
}

/** Explains the steps of one build, which began at `beforeMs`; only what was known before it counts. */
export class Explainer {
  readonly #history: StepHistory;
  readonly #beforeMs: number;
  /** Of the steps of this build, which need not be in the history. */
  readonly #ownIngredients = new Map<Digest, Ingredients>();
  readonly #definitions = new Map<Digest, string>();
  readonly #ownDefinitions: ReadonlySet<string>;

  constructor(history: StepHistory, steps: readonly ExplainedStep[], beforeMs: number) {
    this.#history = history;
    this.#beforeMs = beforeMs;
    for (const { key, ingredients } of steps) if (ingredients !== undefined) this.#ownIngredients.set(key, ingredients);
    for (const { key, place } of steps) if (place !== undefined) this.#definitions.set(key, place.definition);
    this.#ownDefinitions = new Set(this.#definitions.values());
  }

  async explain({ key, ingredients, place, createdMs, noCache, before }: ExplainedStep): Promise<Reason> {
    if (noCache) return { kind: "no-cache" };
    if (before === "failed") return { kind: "failed" };
    if (before === "done") {
      const atMs = this.#history.prunedAt(key);
      // A later one says nothing of this build.
      return atMs === undefined || atMs > this.#beforeMs ? { kind: "gone" } : { kind: "pruned", atMs };
    }
    if (ingredients === undefined || place === undefined) return { kind: "never" };
    const nearest = this.#nearest(key, ingredients, { ...place, createdMs });
    if (nearest === undefined) return { kind: "never" };
    const differences = await differencesOf(ingredients, nearest.ingredients, this.#history.listing);
    if (differences.length === 0) return { kind: "unknown", ...withheldIn(ingredients) };
    const root = await this.#root(differences, new Set());
    const sinceMs = nearest.createdMs;
    return { kind: "changed", differences, sinceMs, ...(root === undefined ? {} : { root }) };
  }

  /** The one that has most in common; of several the newest. */
  #nearest(
    key: Digest,
    ingredients: Ingredients,
    place: Pick<KnownStep, "definition" | "site"> & Pick<ExplainedStep, "createdMs">,
  ): { readonly ingredients: Ingredients; readonly createdMs: number } | undefined {
    const found = this.#history
      .like(place, place.createdMs ?? Number.POSITIVE_INFINITY)
      // What stood in its place and is elsewhere now is another step.
      .filter((step) => step.definition === place.definition || !this.#ownDefinitions.has(step.definition))
      .filter((step) => step.key !== key)
      .map((step) => ({ ingredients: read(step), createdMs: step.createdMs, definition: step.definition }))
      .filter((step) => step.definition === place.definition || isSameBuild(ingredients, step.ingredients))
      .map((step) => ({ ...step, distance: distance(ingredients, step.ingredients) }))
      .toSorted((a, b) => a.distance - b.distance || b.createdMs - a.createdMs);
    return found[0];
  }

  /** Follows what a step stands on to where it began to differ; undefined where it stands on another step than before. */
  async #root(
    differences: readonly Difference[],
    seen: Set<Digest>,
  ): Promise<{ readonly step: InputThen; readonly differences: readonly Difference[] } | undefined> {
    const base = differences.find((difference) => difference.kind === "base");
    if (base === undefined) return undefined;
    const { from, to } = base;
    if (this.#isOther(from, to)) return undefined;
    const [now, then] = [this.#ingredients(to.key), this.#ingredients(from.key)];
    if (now === undefined || then === undefined || to.key === undefined || seen.has(to.key))
      return { step: to, differences: [] };
    seen.add(to.key);
    const below = await differencesOf(now, then, this.#history.listing);
    if (below.every(({ kind }) => kind === "base"))
      return (await this.#root(below, seen)) ?? { step: to, differences: below };
    return { step: to, differences: below.filter(({ kind }) => kind !== "base") };
  }

  /** Whether another step stands there now, so that what they do cannot be compared: one was put in, taken out, or moved. */
  #isOther(from: InputThen, to: InputThen): boolean {
    if (instructionOf(from) !== instructionOf(to)) return true;
    const [then, now] = [this.#definitionOf(from.key), this.#definitionOf(to.key)];
    return then !== undefined && then !== now && this.#ownDefinitions.has(then);
  }

  #definitionOf(key: Digest | undefined): string | undefined {
    if (key === undefined) return undefined;
    return this.#definitions.get(key) ?? this.#history.find(key)?.definition;
  }

  #ingredients(key: Digest | undefined): Ingredients | undefined {
    if (key === undefined) return undefined;
    const own = this.#ownIngredients.get(key);
    if (own !== undefined) return own;
    const known = this.#history.find(key);
    return known && read(known);
  }
}

/** Whether what stands in the same place, and does something else, is of the same build, and not of another one with the same names. */
function isSameBuild(now: Ingredients, then: Ingredients): boolean {
  if (now.context === then.context) return true;
  return now.bases.some(
    ({ key, image }, at) => key !== undefined && image === undefined && key === then.bases[at]?.key,
  );
}

function withheldIn({ fields }: Ingredients): { withheld?: readonly string[] } {
  const withheld = Object.keys(fields).filter((field) => fields[field]?.includes(WITHHELD) === true);
  return withheld.length === 0 ? {} : { withheld };
}

/** "COPY" of "[2/3] COPY a /". */
function instructionOf({ name }: InputThen): string {
  return name.replace(/^\[.*?\] /, "").split(" ", 1)[0] ?? "";
}

/** What is remembered of a step. */
export function read({ parts }: KnownStep): Ingredients {
  return JSON.parse(parts) as Ingredients; // written by this version of the table
}

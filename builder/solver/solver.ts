// Vertices to results. Equal vertices are one; a known key is not run again; what does
// not depend on each other runs at the same time; the first failure stops the rest.
//
// Two questions are asked of a vertex, each answered once: its *key* (needs the keys of
// its inputs, and the results of those it only reads from) and its *result* (needs its
// key, and on a miss the results of all inputs). So a vertex under a known one never runs.

import type { Digest } from "../core/digest.ts";
import { asBuildError, BuildError, withLocation } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import type { Turns } from "../core/slots.ts";
import { Slots } from "../core/slots.ts";
import type { Vertex } from "../graph/vertex.ts";
import { topological } from "../graph/vertex.ts";
import type { CacheIndex, Claim, Operator, SolvedInput } from "./operator.ts";

export interface SolverOptions<R> {
  readonly operator: Operator<R>;
  readonly cache: CacheIndex<R>;
  readonly events: EventSink;
  readonly now: () => number;
  /** Steps that take a slot, at a time. */
  readonly jobs: number;
  /** Who else has a say in when such a step runs: other builds of the same machine. */
  readonly turns?: Turns | undefined;
  /** Told of each result as soon as it is there: whoever wants another form of it starts making it. */
  readonly onResult?: (vertex: Vertex, result: R) => void;
  readonly signal: AbortSignal;
}

/** `known`: there is a result; `unknown`: it must be made; `open`: that depends on files that must be made first. */
export type PlannedResult = "known" | "unknown" | "open";

interface State<R> {
  key?: Promise<Digest>;
  result?: Promise<R>;
  known?: Promise<R | undefined>;
  early?: Promise<R | undefined>;
  keyIsFree?: Promise<boolean>;
  /** Whether people have been told of it. */
  told: boolean;
  /** Whether its result was found: it is told of as CACHED. */
  wasKnown?: boolean;
  /** Whether it, or something it is built upon, must be made anew in this build. */
  rerun: boolean;
}

/** Solves the vertices of one build. */
export class Solver<R> {
  readonly #options: SolverOptions<R>;
  readonly #states = new Map<Digest, State<R>>();
  readonly #slots: Slots;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: SolverOptions<R>) {
    this.#options = options;
    this.#slots = new Slots(options.jobs);
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  /** The results of the targets, in order. On failure everything else is stopped before this rejects. */
  async solve(targets: readonly Vertex[]): Promise<R[]> {
    try {
      this.#start(targets);
      return await Promise.all(targets.map((target) => this.#result(target)));
    } catch (error) {
      this.#stop.abort(new BuildError("CANCELLED", "another step failed"));
      await Promise.allSettled(this.#running);
      throw error;
    } finally {
      await this.#options.cache.settled();
    }
  }

  /** Whether the targets' results are known, so that `solve` would run nothing but transient vertices. Runs nothing itself. */
  async isKnown(targets: readonly Vertex[]): Promise<boolean> {
    const plan = await this.plan(targets);
    return targets.every((target) => plan.get(target.digest) === "known");
  }

  /** What `solve` would find of each vertex, if it asked for it. Runs nothing but transient vertices. */
  async plan(targets: readonly Vertex[]): Promise<ReadonlyMap<Digest, PlannedResult>> {
    const { operator } = this.#options;
    // In topological order: an answer needs only the answers of the inputs.
    const keyIsFree = new Set<Digest>();
    const plan = new Map<Digest, PlannedResult>();
    for (const vertex of topological(targets)) {
      const at = (numbers: readonly number[]): readonly Digest[] =>
        numbers.flatMap((number) => vertex.inputs[number]?.digest ?? []);
      const isFree =
        at(operator.builtUpon(vertex)).every((input) => keyIsFree.has(input)) &&
        at(operator.readsFrom(vertex)).every((input) => plan.get(input) === "known");
      if (isFree) keyIsFree.add(vertex.digest);
      plan.set(vertex.digest, await this.#planned(vertex, plan, isFree));
    }
    return plan;
  }

  async #planned(vertex: Vertex, plan: ReadonlyMap<Digest, PlannedResult>, keyIsFree: boolean): Promise<PlannedResult> {
    const below = vertex.inputs.map((input) => plan.get(input.digest));
    if (this.#options.operator.isTransient(vertex)) {
      if (below.every((planned) => planned === "known")) return "known";
      return below.includes("unknown") && !below.includes("open") ? "unknown" : "open";
    }
    if (this.#state(vertex).rerun) return "unknown";
    if (!keyIsFree) return "open";
    return (await this.#known(vertex)) === undefined ? "unknown" : "known";
  }

  /** A vertex's result, if it is known by now or can be looked up; runs nothing but transient vertices. */
  async known(vertex: Vertex): Promise<R | undefined> {
    const { result } = this.#state(vertex);
    if (result !== undefined) return await result;
    if (this.#options.operator.isTransient(vertex)) {
      const inputs = await Promise.all(vertex.inputs.map((input) => this.known(input)));
      return inputs.includes(undefined) ? undefined : await this.#result(vertex);
    }
    const early = await this.#early(vertex);
    return early !== undefined || !(await this.#keyIsFree(vertex)) ? early : await this.#known(vertex);
  }

  /** Whether a vertex's key can be found without running a step for the files that it reads. */
  async #keyIsFree(target: Vertex): Promise<boolean> {
    for (const vertex of topological([target])) {
      const state = this.#state(vertex);
      state.keyIsFree ??= this.#findKeyIsFree(vertex);
    }
    return (await this.#state(target).keyIsFree) === true;
  }

  async #findKeyIsFree(vertex: Vertex): Promise<boolean> {
    const { operator } = this.#options;
    const at = (numbers: readonly number[]): readonly Vertex[] =>
      numbers.flatMap((number) => vertex.inputs[number] ?? []);
    for (const input of at(operator.builtUpon(vertex))) if ((await this.#state(input).keyIsFree) !== true) return false;
    for (const input of at(operator.readsFrom(vertex))) if ((await this.known(input)) === undefined) return false;
    return true;
  }

  /** The cache keys that vertices came to have, once `solve` has ended. */
  async knownKeys(): Promise<ReadonlyMap<Digest, Digest>> {
    const found = new Map<Digest, Digest>();
    for (const [vertex, { key }] of this.#states) {
      const [settled] = await Promise.allSettled([key]);
      if (settled.status === "fulfilled" && settled.value !== undefined) found.set(vertex, settled.value);
    }
    return found;
  }

  /** Inputs first, so that no chain of calls grows as deep as a Dockerfile is long. */
  #start(targets: readonly Vertex[]): void {
    const vertices = topological(targets);
    // People see how many steps there are before the first one ends.
    for (const vertex of vertices) this.#emit(vertex, {});
    for (const vertex of vertices) {
      this.#state(vertex);
      const { operator, cache } = this.#options;
      if (cache.lookupEarly === undefined && !operator.isTransient(vertex)) void this.#key(vertex);
    }
  }

  #state(vertex: Vertex): State<R> {
    let state = this.#states.get(vertex.digest);
    if (!state) {
      state = { told: false, rerun: this.#mustRerun(vertex) };
      this.#states.set(vertex.digest, state);
    }
    return state;
  }

  #key(vertex: Vertex): Promise<Digest> {
    return (this.#state(vertex).key ??= this.#track(this.#findKey(vertex)));
  }

  async #findKey(vertex: Vertex): Promise<Digest> {
    const inputs = vertex.inputs.map((input) => this.#solved(input));
    try {
      return await this.#options.operator.key(vertex, inputs, this.#signal);
    } catch (error) {
      throw this.#failed(vertex, error);
    }
  }

  #solved(vertex: Vertex): SolvedInput<R> {
    return {
      vertex,
      key: () => this.#key(vertex),
      known: () => this.known(vertex),
      result: () => this.#result(vertex),
    };
  }

  #known(vertex: Vertex): Promise<R | undefined> {
    return (this.#state(vertex).known ??= this.#track(this.#lookup(vertex)));
  }

  async #lookup(vertex: Vertex): Promise<R | undefined> {
    const early = await this.#early(vertex);
    if (early !== undefined) return early;
    const key = await this.#key(vertex);
    if (this.#state(vertex).rerun) return undefined;
    return await this.#lookupByKey(key, vertex);
  }

  #lookupByKey(key: Digest, vertex: Vertex): Promise<R | undefined> {
    return this.#options.cache.lookup(key, vertex, (other) => this.#solved(other));
  }

  /** What is known of a vertex before its key. */
  #early(vertex: Vertex): Promise<R | undefined> {
    const state = this.#state(vertex);
    const { cache } = this.#options;
    if (state.rerun || cache.lookupEarly === undefined) return Promise.resolve(undefined);
    return (state.early ??= this.#track(cache.lookupEarly(vertex, (other) => this.#solved(other))));
  }

  /** A result that is made anew in this build makes everything built upon it new as well, whatever its key says. */
  #mustRerun(vertex: Vertex): boolean {
    if (vertex.options.ignoreCache === true) return true;
    return this.#options.operator.builtUpon(vertex).some((number) => {
      const input = vertex.inputs[number];
      return input !== undefined && this.#state(input).rerun;
    });
  }

  #result(vertex: Vertex): Promise<R> {
    return (this.#state(vertex).result ??= this.#track(this.#make(vertex)));
  }

  async #make(vertex: Vertex): Promise<R> {
    const { operator } = this.#options;
    if (operator.isTransient(vertex)) return await this.#makeTransient(vertex);
    const known = await this.#known(vertex);
    if (known !== undefined) this.#tellCached(vertex);
    const result = known ?? (await this.#makeOnce(vertex));
    this.#options.onResult?.(vertex, result);
    return result;
  }

  /** What is made of known results, and of sources, is as good as known. */
  async #makeTransient(vertex: Vertex): Promise<R> {
    const inputs = await this.#inputs(vertex);
    const isMade = (input: Vertex): boolean => input.inputs.length > 0 || !this.#options.operator.isTransient(input);
    const made = vertex.inputs.filter(isMade);
    if (made.length > 0 && made.every((input) => this.#state(input).wasKnown === true)) this.#tellCached(vertex);
    return await this.#run(vertex, inputs);
  }

  /** Runs the vertex unless another build, that was at it already, leaves its result. */
  async #makeOnce(vertex: Vertex): Promise<R> {
    const { cache } = this.#options;
    const inputs = await this.#inputs(vertex);
    const key = await this.#key(vertex);
    // What is to be made anew is not what another build makes.
    const claim = this.#state(vertex).rerun ? undefined : await this.#claim(key, vertex);
    try {
      const made = claim === undefined ? undefined : await this.#lookupByKey(key, vertex);
      if (made !== undefined) {
        claim?.release();
        this.#tellCached(vertex);
        return made;
      }
      const result = await this.#run(vertex, inputs);
      cache.record(key, vertex, result, claim);
      return result;
    } catch (error) {
      claim?.release();
      throw error;
    }
  }

  async #claim(key: Digest, vertex: Vertex): Promise<Claim> {
    try {
      return await this.#options.cache.claim(key, this.#signal);
    } catch (error) {
      throw this.#failed(vertex, error);
    }
  }

  async #inputs(vertex: Vertex): Promise<R[]> {
    return await Promise.all(vertex.inputs.map((input) => this.#result(input)));
  }

  /** People expect a CACHED line for every step above a known one, though none of them was asked for. */
  #tellCached(vertex: Vertex): void {
    this.#state(vertex).wasKnown = true;
    for (const each of topological([vertex])) {
      const state = this.#state(each);
      if (state.told || (each !== vertex && state.result !== undefined)) continue;
      state.told = true;
      const time = this.#options.now();
      this.#emit(each, { started: time, completed: time, cached: true });
    }
  }

  async #run(vertex: Vertex, inputs: readonly R[]): Promise<R> {
    const { operator, now } = this.#options;
    this.#signal.throwIfAborted();
    const work = async (): Promise<R> => {
      const started = now();
      const state = this.#state(vertex);
      // A source under a known step, told of as CACHED, may still have to be opened for another step.
      const wasTold = state.told && operator.isTransient(vertex);
      state.told = true;
      if (!wasTold) this.#emit(vertex, { started });
      try {
        const result = await operator.run(vertex, inputs, this.#signal);
        if (!wasTold) this.#emit(vertex, { started, completed: now() });
        return result;
      } catch (error) {
        const failure = this.#failed(vertex, error);
        this.#emit(vertex, { started, completed: now(), error: failure.message });
        throw failure;
      }
    };
    if (!operator.takesSlot(vertex)) return await work();
    const { turns } = this.#options;
    return await this.#slots.use(this.#signal, turns === undefined ? work : () => turns.use(this.#signal, work));
  }

  #failed(vertex: Vertex, error: unknown): BuildError {
    if (this.#signal.aborted) return new BuildError("CANCELLED", "cancelled", { cause: error });
    const location = vertex.options.location;
    return location === undefined ? asBuildError(error) : withLocation(error, location);
  }

  #emit(vertex: Vertex, change: { started?: number; completed?: number; cached?: boolean; error?: string }): void {
    this.#options.events({
      kind: "vertex",
      vertex: vertex.digest,
      name: vertex.options.name,
      inputs: vertex.inputs.map((input) => input.digest),
      ...change,
    });
  }

  #track<T>(promise: Promise<T>): Promise<T> {
    this.#running.add(promise);
    const done = (): void => void this.#running.delete(promise);
    promise.then(done, done);
    return promise;
  }
}

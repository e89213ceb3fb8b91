// What the solver asks of whoever knows operations and of whoever remembers results.
// R is the result of a vertex; the solver hands it on and never looks inside.

import type { Digest } from "../core/digest.ts";
import type { Vertex } from "../graph/vertex.ts";

/** An input of a vertex while the vertex's own key is being found: nothing of it is made unless somebody asks. */
export interface SolvedInput<R> {
  readonly vertex: Vertex;
  key(): Promise<Digest>;
  /** Its result, if that is known; runs nothing. */
  known(): Promise<R | undefined>;
  /** Runs the input if its result is not known. */
  result(): Promise<R>;
}

/** Any vertex of the graph while another one is looked up. */
export type Solved<R> = (vertex: Vertex) => Pick<SolvedInput<R>, "known" | "result">;

/** Knows the operations. */
export interface Operator<R> {
  /**
   * The cache key: a digest of the definition, of the keys of the inputs the op builds upon, and of the
   * content of what it only reads from. Two vertices with equal keys have results that nobody can tell apart.
   */
  key(vertex: Vertex, inputs: readonly SolvedInput<R>[], signal: AbortSignal): Promise<Digest>;
  /** Numbers of the inputs the op builds upon (and does not only read from): what reruns there reruns this. */
  builtUpon(vertex: Vertex): readonly number[];
  /** Numbers of the inputs whose files are part of the key; it may build upon the same ones. */
  readsFrom(vertex: Vertex): readonly number[];
  /** Does the work. Whatever is half-done is undone before this rejects. */
  run(vertex: Vertex, inputs: readonly R[], signal: AbortSignal): Promise<R>;
  /** Whether the result is cheap to make and has no record of its own (sources, merges). */
  isTransient(vertex: Vertex): boolean;
  /** Whether running takes one of the build's job slots. */
  takesSlot(vertex: Vertex): boolean;
}

/** The right to make what a key stands for. */
export interface Claim {
  /** Once is enough. */
  release(): void;
}

/** Remembers results by key. */
export interface CacheIndex<R> {
  /** A known and still complete result; undefined is a miss. */
  lookup(key: Digest, vertex: Vertex, solved: Solved<R>): Promise<R | undefined>;
  /** A result that is known without the vertex's key, where finding the key would cost more; asked before `lookup`. */
  lookupEarly?(vertex: Vertex, solved: Solved<R>): Promise<R | undefined>;
  /**
   * Waits until nobody else makes what the key stands for, in this process or in another one, and keeps others waiting
   * until the claim is released: whoever waited looks the key up again.
   */
  claim(key: Digest, signal: AbortSignal): Promise<Claim>;
  /** Remembers a result, once all of it is safely stored, and then releases the claim; may finish later (`settled`). */
  record(key: Digest, vertex: Vertex, result: R, claim?: Claim): void;
  /** Waits until everything that was recorded is on disk. */
  settled(): Promise<void>;
}

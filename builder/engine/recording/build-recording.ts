// Follows one build to its end, and has it remembered there. What that takes is loaded while the build runs.

import { join } from "node:path";
import type { BuildError } from "../../core/errors.ts";
import { asBuildError } from "../../core/errors.ts";
import type { Digest } from "../../core/digest.ts";
import { NamespaceNeeded } from "../../core/system/namespace.ts";
import type { Engine } from "../../engine.ts";
import type { FailedRuns } from "./failed-runs.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { SourceLoader } from "../../ops/engine-parts.ts";
import type { BuildRecorder } from "../../records/recorder.ts";
import type { BuildRequest, BuildResult } from "../../request.ts";
import type { KeyFilesByVertex } from "./step-files.ts";
import type { StepFate } from "./step-memory.ts";

/** A graph of which everything is known that will be. */
export interface SolvedGraph {
  readonly targets: readonly Vertex[];
  /** Cache keys that vertices came to have, by vertex. */
  readonly keys: ReadonlyMap<Digest, Digest>;
  readonly sources: SourceLoader;
  readonly failedRuns: FailedRuns;
  /** What went into the keys. */
  readonly files: KeyFilesByVertex;
}

/** What there is to remember when a build ends. */
export interface EndedBuild {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly recorder: BuildRecorder;
  /** Undefined when the build failed before there was a graph. */
  readonly solved: SolvedGraph | undefined;
  readonly startedMs: number;
  readonly signal: AbortSignal;
  /** What became of the steps that ran, where that is being found out already. */
  readonly fates?: Promise<ReadonlyMap<Digest, StepFate>> | undefined;
}

/** The recording of one build. */
export class BuildRecording {
  /** Set when the graph is solved, or has failed. */
  solved: SolvedGraph | undefined;
  readonly #build: Omit<EndedBuild, "solved" | "fates">;
  readonly #history = import("./build-history.ts");
  #failure: BuildError | undefined;
  #fates: EndedBuild["fates"];

  /** Output is kept from here on. */
  constructor(build: Omit<EndedBuild, "solved" | "fates">) {
    this.#build = build;
    build.recorder.openLog(join(build.engine.layers.place.workDirectory, "log"));
  }

  /** All steps have ended well: what went into them is written down while their layers are still compressed. */
  rememberSteps(): void {
    if (this.#build.request.isInternal === true) return;
    const build = this.#ended();
    this.#fates = import("./recorded-build.ts").then(({ fatesOf }) => fatesOf(build));
    // Who remembers the build sees the error.
    this.#fates.catch(() => undefined);
  }

  /** Remembers a build that went well. That it cannot be remembered is a warning. */
  async done(result: BuildResult): Promise<void> {
    const { dryRun, isInternal } = this.#build.request;
    if (dryRun === true || isInternal === true) return;
    await (await this.#history).rememberDone(this.#ended(), result);
  }

  /** Remembers one that failed, once; the error to throw, which says how to look at the step that failed. */
  async failed(error: unknown): Promise<Error> {
    // The same build begins anew.
    if (error instanceof NamespaceNeeded) return error;
    if (this.#build.request.dryRun === true) return asBuildError(error);
    const history = await this.#history;
    return (this.#failure ??= await history.rememberFailure(this.#ended(), error));
  }

  #ended(): EndedBuild {
    return { ...this.#build, solved: this.solved, fates: this.#fates };
  }
}

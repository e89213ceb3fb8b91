// What the ops work with; `builder/engine.ts` puts it together.

import type { Digest } from "../core/digest.ts";
import type { EventSink } from "../core/events.ts";
import type { Session } from "../core/session.ts";
import type { Executor } from "../executor/executor.ts";
import type { SourceOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { LayerStore } from "../snapshot/layer-store.ts";
import type { BlobOptions, Ref } from "../snapshot/ref.ts";
import type { Snapshotter } from "../snapshot/snapshotter.ts";
import type { CacheMounts } from "./cache-mounts.ts";
import type { Reader } from "./context-files.ts";
import type { ListedEntry } from "./file/digest.ts";
import type { OpResult } from "./result.ts";
import type { StepPlan } from "./step.ts";

/** What a source op names, loaded. */
export interface SourceLoader {
  /** Key of an image: the chain of its layers' diffIDs. */
  imageKey(id: string): Promise<Digest>;
  /** Its layers; what comes of them later is told of as this step's. */
  image(id: string, step: { readonly vertex: Digest; readonly name: string }, signal: AbortSignal): Promise<Ref>;
  /** A client's directory, filtered; a download; a checkout. */
  tree(source: Exclude<SourceOp["source"], { type: "image" }>, vertex: Digest, signal: AbortSignal): Promise<FileTree>;
}

/** Facts that never go out of date, by key: kept in the cache records. */
export interface Facts {
  fact(key: Digest): string | undefined;
  saveFact(key: Digest, value: string): void;
}

/** Files that went into a step's key. */
export interface KeyFiles {
  /** Number of the input they are from; -1 for several. */
  readonly input: number;
  /** Where a RUN has them mounted; undefined for what a copy takes. */
  readonly target?: string;
  readonly digest: string;
  /** What the digest was made of. */
  readonly entries: () => Promise<Iterable<ListedEntry>>;
}

/** A RUN that failed, as it would be prepared again. */
export interface FailedRun {
  readonly vertex: Vertex;
  /** How it was prepared; `below` is without what it changed. */
  readonly plan: StepPlan;
}

/** Whoever keeps what a failed RUN left, for people to look at. */
export interface FailedRunKeeper {
  /** `keep` makes a layer of what it changed and gives the rootfs with that on top. Never throws: the failure is what counts. */
  take(run: FailedRun, keep: () => Promise<OpResult>): Promise<void>;
}

export interface OpContext {
  readonly layers: LayerStore;
  /** Chosen and probed when the first RUN needs it. */
  readonly executor: () => Promise<Executor>;
  readonly snapshotter: () => Promise<Snapshotter>;
  readonly sources: SourceLoader;
  readonly cacheMounts: CacheMounts;
  readonly facts: Facts;
  readonly session: Session;
  readonly failedRuns?: FailedRunKeeper | undefined;
  readonly events: EventSink;
  readonly now: () => number;
  /** Told of the files that go into keys, for whoever explains them later. */
  readonly onKeyFiles?: ((vertex: Vertex, files: KeyFiles) => void) | undefined;
  /** Who takes what of a vertex of this build, by its digest. */
  readonly readers: ReadonlyMap<string, readonly Reader[]>;
  /** How the blobs of this build's layers are made. */
  readonly blobOptions: BlobOptions;
  /** Whether a RUN will stand on the vertex's result, or mount from it. */
  readonly isForRun: (vertex: Digest) => boolean;
  /** Whether a RUN (or something else that needs directories) will stand on the vertex's result. */
  readonly wantsDirectory: (vertex: Digest) => boolean;
}

// What `tsbuild shell` asks of the engine.

import type { SnapshotterName } from "./choose-snapshotter.ts";
import type { Session } from "./core/session.ts";
import type { RequiredSandbox } from "./executor/executor.ts";

/** A shell in a step of a build that has ended. */
export interface ShellRequest {
  /** Root folder of the store, absolute. */
  readonly root: string;
  /** The build's id or its beginning; undefined: the last one. */
  readonly build: string | undefined;
  /** Number, name or vertex of a step; undefined: the one that failed, else the last. */
  readonly step: string | undefined;
  /** The kind of terminal (TERM). */
  readonly terminal: string;
  /** Has the secrets and agents of the step's mounts. */
  readonly session: Session;
  readonly environment: ReadonlyMap<string, string>;
  readonly requireSandbox: RequiredSandbox | undefined;
  readonly snapshotter?: SnapshotterName | undefined;
  /** Told when the shell is about to have the terminal. */
  readonly ready: (opened: OpenedShell) => void;
}

/** What a shell was opened in. */
export interface OpenedShell {
  readonly build: string;
  /** "[2/5] RUN make". */
  readonly step: string;
  /** Whether it is the step that failed, as it was when it did. */
  readonly failed: boolean;
  /** What is not as it was for the step, one a line. */
  readonly notes: readonly string[];
}

/** One build of the list. */
export interface ListedBuild {
  readonly id: string;
  readonly what: string;
  /** ms since the epoch. */
  readonly endedMs: number;
  /** What it failed with. */
  readonly failure: string | undefined;
  /** Whether the state of the step that failed is kept. */
  readonly kept: boolean;
  /** Those that a shell can be opened in, as `BUILD:NUMBER`. */
  readonly steps: readonly { readonly number: number; readonly name: string; readonly failed: boolean }[];
}

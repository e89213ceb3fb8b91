// What is remembered of a build: its steps, how to find what each one made, and where it failed. No secret is in it: of
// secrets and agents only their ids, of variables that are no part of a step only the names.

import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ExecOp } from "../graph/op.ts";
import type { Timeline } from "./timeline.ts";

/** Version of the files; one of another version is as if it were not there. */
export const RECORD_FORMAT = 2;

/** One vertex of a build. */
export interface StepRecord {
  readonly vertex: Digest;
  /** As people saw it: "[2/5] RUN make". */
  readonly name: string;
  readonly kind: "source" | "exec" | "file" | "merge" | "diff";
  /** Where it is written: "Dockerfile:7". */
  readonly place?: string;
  /** Places of the inputs in the list of steps. */
  readonly inputs: readonly number[];
  /** Place of the step whose files it begins with. */
  readonly base?: number;
  /** The cache key of its result, where it came to have one. */
  readonly key?: Digest;
  /** That it was run in this build, and how it ended. */
  readonly ran?: "done" | "failed";
  /** What was known of its key before: that it had been made, or had failed. */
  readonly before?: "done" | "failed";
  /** It was asked for without the cache. */
  readonly noCache?: true;
  /** Ids of the layers of a base image, bottom first. */
  readonly layers?: readonly string[];
  readonly exec?: ExecOp;
  /** Names of the variables that it saw and that are no part of it. */
  readonly hiddenEnv?: readonly string[];
}

/** What a build failed with. */
export interface FailureRecord extends Fault {
  /** Of a RUN that failed: its place in the list of steps. */
  readonly step?: number;
  /** What else is wrong with the same file. */
  readonly others?: readonly Fault[];
}

/** One thing that is wrong, and where. */
export interface Fault {
  readonly message: string;
  readonly place?: FaultPlace;
}

/** Lines of a Dockerfile, counted from 1. */
export interface FaultPlace {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  /** Those lines and some around them. */
  readonly lines?: readonly string[];
  /** The first of these. */
  readonly firstLine?: number;
}

/** What was asked for; secrets by id, variables that look like one without what they hold. */
export interface RecordedRequest {
  readonly context: string;
  readonly dockerfile: string;
  readonly namedContexts: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platforms: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly noCache: boolean | readonly string[];
  readonly pull: boolean;
  readonly network: string;
  readonly allow: readonly string[];
  readonly secrets: readonly string[];
  readonly outputs: readonly RecordedOutput[];
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epochSeconds?: number;
  readonly squash?: string;
}

/** One output that was asked for. */
export interface RecordedOutput {
  readonly type: string;
  readonly names?: readonly string[];
  readonly destination?: string;
  readonly push?: boolean;
}

/** An image that came of it. */
export interface RecordedImage {
  readonly platform: string;
  readonly imageId: string;
  readonly manifestDigest: string;
}

/** What came of a build. */
export interface RecordedResult {
  readonly images: readonly RecordedImage[];
  /** Of the manifest, or of the index of several platforms. */
  readonly digest?: string;
  readonly names: readonly string[];
}

/** How a build ended. */
export type BuildStatus = "completed" | "error" | "canceled";

/** One build. */
export interface BuildRecord {
  readonly format: typeof RECORD_FORMAT;
  /** Lower-case letters and digits. */
  readonly id: string;
  /** What was built, for people. */
  readonly what: string;
  /** ms since the epoch. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly status: BuildStatus;
  /** Version of the program. */
  readonly version: string;
  readonly request: RecordedRequest;
  /** The graph, inputs before their users; empty when the build failed before there was one. */
  readonly steps: readonly StepRecord[];
  /** All that happened, in the order in which it began. */
  readonly timeline: Timeline;
  readonly result?: RecordedResult;
  readonly failure?: FailureRecord;
}

/** What a failed RUN left, as long as it is kept: layer ids, bottom first. */
export interface KeptState {
  /** The rootfs as it was when the program ended; the last layer is what the step changed. */
  readonly rootfs: readonly string[];
  /** By number of the input: what its mounts showed. */
  readonly inputs: Readonly<Record<number, readonly string[]>>;
}

/** A step that one can look into, as a person may name it: by its number in the list of these, by what stands in the brackets of its name, or by its vertex. */
export function findStep(record: BuildRecord, text: string): number {
  const places = enterableSteps(record);
  const byNumber = /^\d{1,5}$/.test(text) ? places[Number(text) - 1] : undefined;
  if (byNumber !== undefined) return byNumber;
  const named = places.filter((place) => {
    const step = record.steps[place];
    if (step === undefined) return false;
    const isVertex =
      /^(?:sha256:)?[0-9a-f]{6,64}$/.test(text) && step.vertex.startsWith(`sha256:${text.replace(/^sha256:/, "")}`);
    return isVertex || bracketsOf(step.name) === text;
  });
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const why = only === undefined ? `has no step "${text}"` : `has ${named.length} steps "${text}"`;
  throw new BuildError("USAGE", `the build ${record.id} ${why}`, {
    hint: `tsbuild shell --list ${record.id} lists its steps`,
  });
}

/** What stands in the brackets of a step's name, as `2/3` or `build 2/3`. */
export function bracketsOf(name: string): string | undefined {
  return /^\[(.*?)\]/.exec(name)?.[1];
}

/** The places of the steps that have files of their own to look at: all but contexts and downloads. */
export function enterableSteps({ steps }: BuildRecord): number[] {
  return steps.flatMap(({ kind, layers }, place) => (kind === "source" && layers === undefined ? [] : [place]));
}

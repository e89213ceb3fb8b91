// What is remembered of builds that have ended: for whoever lists, shows, exports and removes them.

import { BuildError } from "./core/errors.ts";
import type { BuildEvent } from "./core/events.ts";
import { NamespaceNeeded } from "./core/system/namespace.ts";
import { openEngine } from "./engine.ts";
import { weighEntries } from "./layer/view/usage.ts";
import type { BuildRecord } from "./records/build-record.ts";
import { buildRecordsOf } from "./records/build-records.ts";
import { readLog } from "./records/log-file.ts";
import { replay } from "./records/replay.ts";

export type { BuildRecord, RecordedOutput, StepRecord } from "./records/build-record.ts";
export type { TimelineStep } from "./records/timeline.ts";
export { idsNamed, numberOfNewer } from "./records/build-name.ts";
export { bracketsOf, RECORD_FORMAT } from "./records/build-record.ts";
export { TimelineFold } from "./records/timeline.ts";

/** A build as one of many, also one that is under way. */
export interface ListedBuild {
  readonly id: string;
  readonly what: string;
  readonly startedMs: number;
  /** Undefined while it goes on. */
  readonly endedMs: number | undefined;
  readonly status: BuildRecord["status"] | "running";
  readonly steps: number;
  /** Steps that ended well. */
  readonly completed: number;
  readonly cached: number;
  readonly error: string | undefined;
  readonly digest: string | undefined;
}

/** What a list says of a build. */
export function listedBuild({
  id,
  what,
  startedMs,
  endedMs,
  status,
  failure,
  timeline,
  result,
}: BuildRecord): ListedBuild {
  const { steps } = timeline;
  return {
    ...{ id, what, startedMs, endedMs, status },
    steps: steps.length,
    completed: steps.filter(({ completedMs, error }) => completedMs !== undefined && error === undefined).length,
    cached: steps.filter(({ cached }) => cached === true).length,
    error: failure?.message,
    digest: result?.digest,
  };
}

/** The builds of a store, the newest first. */
export function rememberedBuilds(root: string): BuildRecord[] {
  return buildRecordsOf(root).list();
}

/** A build by its id, the beginning of it, or `^N` (the N-th last); undefined: the last one. Throws `USAGE`, `INPUT_MISSING`. */
export function rememberedBuild(root: string, text: string | undefined): BuildRecord {
  const records = buildRecordsOf(root);
  if (text !== undefined) return records.find(text);
  const [last] = records.list();
  if (last !== undefined) return last;
  throw new BuildError("INPUT_MISSING", "no build is remembered in this store");
}

/** What was told of a build, with all output that is kept. */
export function eventsOfBuild(root: string, record: BuildRecord): Iterable<BuildEvent> {
  return replay(record, readLog(buildRecordsOf(root).logPath(record.id)));
}

/**
 * Forgets builds, with their logs and what their failed steps left. Throws `USAGE` for one that is not there and for one that
 * somebody looks at, before anything is removed of it.
 */
export async function forgetBuilds(root: string, texts: readonly string[] | "all"): Promise<string[]> {
  const records = buildRecordsOf(root);
  const ids = texts === "all" ? records.list().map(({ id }) => id) : texts.map((text) => records.find(text).id);
  await using engine = await openEngine({ root });
  if (!engine.privileged && ids.some((id) => records.isKept(id))) throw new NamespaceNeeded("removing files of a step");
  for (const id of ids) {
    if (records.remove(id, (layer) => engine.layers.drop(layer))) continue;
    throw new BuildError("USAGE", `somebody looks at what the build "${id}" left`, {
      hint: "leave the shell that is open in it, then remove it",
    });
  }
  return ids;
}

/** Bytes of the files in the layer that each step made, by vertex; of a base image in all of its layers. Only what is still in the store. */
export async function layerBytesOf(root: string, { steps }: BuildRecord): Promise<ReadonlyMap<string, number>> {
  await using engine = await openEngine({ root });
  const signal = new AbortController().signal;
  const found = new Map<string, number>();
  for (const { vertex, kind, key, layers } of steps) {
    const ids =
      layers ?? (kind === "merge" || key === undefined ? [] : (engine.records.find(key)?.layers.slice(-1) ?? []));
    const stored = ids.map((id) => engine.layers.get(id));
    if (stored.length === 0 || stored.includes(undefined)) continue;
    try {
      const indexes = await Promise.all(stored.map(async (layer) => (await layer?.index(signal)) ?? []));
      found.set(
        vertex,
        indexes.reduce((sum, entries) => sum + weighEntries(entries), 0),
      );
    } catch {
      // A layer that is not whole any more has no size to show.
    }
  }
  return found;
}

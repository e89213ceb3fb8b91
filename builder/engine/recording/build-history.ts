// The end of a build: it is remembered, and what a failed RUN left is kept and, if a person wants that, looked at.

import { join } from "node:path";
import type { EndedBuild } from "./build-recording.ts";
import { asBuildError, BuildError } from "../../core/errors.ts";
import type { KeptRun } from "./failed-runs.ts";
import { keptState, recordOf } from "./recorded-build.ts";
import { BuildRecords } from "../../records/build-records.ts";
import type { BuildResult } from "../../request.ts";

/** Remembers a build that went well. That it cannot be remembered is a warning. */
export async function rememberDone(build: EndedBuild, result: BuildResult): Promise<void> {
  await remember(build, { result });
}

/**
 * Remembers a build that failed; in a RUN that did it opens the shell that the request asks for. Gives the error to throw,
 * which says how to look at the step afterwards.
 */
export async function rememberFailure(build: EndedBuild, thrown: unknown): Promise<BuildError> {
  const error = asBuildError(thrown);
  const isCancelled = error.code === "CANCELLED" || build.signal.aborted;
  const id = await remember(build, { failure: error, isCancelled });
  const kept = build.solved?.failedRuns.kept;
  if (isCancelled || kept === undefined || id === undefined) return error;
  const step = /^\[.*?\]/.exec(kept.vertex.options.name)?.[0] ?? "the step";
  const failure = withHint(error, `tsbuild shell ${id}   opens a shell in ${step} as it was when it failed`);
  const { shellOnError } = build.request;
  if (shellOnError === undefined) return failure;
  let isOpen = false;
  try {
    await shellIn(build, kept, shellOnError.terminal, async () => {
      isOpen = true;
      await shellOnError.ready(failure);
    });
    return failure;
  } catch (why) {
    return isOpen ? failure : withHint(error, `no shell was opened: ${asBuildError(why).message}`);
  }
}

async function shellIn(
  { engine, request, signal }: EndedBuild,
  { plan, rootfs }: KeptRun,
  terminal: string,
  ready: () => Promise<void>,
): Promise<void> {
  const context = {
    layers: engine.layers,
    snapshotter: () => engine.snapshotter(),
    cacheMounts: engine.cacheMounts,
    session: request.session,
  };
  const executor = await engine.executor();
  const { runShell } = await import("../../ops/shell.ts");
  await runShell(context, { ...plan, below: rootfs }, { executor, terminal, ready }, signal);
}

function withHint(error: BuildError, hint: string): BuildError {
  return new BuildError(error.code, error.message, {
    cause: error,
    location: error.location,
    hint: error.hint === undefined ? hint : `${error.hint}\n${hint}`,
    exitCode: error.exitCode,
  });
}

/** How a build ended. */
export interface BuildEnd {
  readonly result?: BuildResult;
  readonly failure?: BuildError;
  readonly isCancelled?: boolean;
  /** Why not all of the output is kept. */
  readonly lack?: string | undefined;
}

/** The id under which the build is remembered. */
async function remember(build: EndedBuild, end: BuildEnd): Promise<string | undefined> {
  const { engine, request, recorder, solved } = build;
  const { place } = engine.layers;
  const log = recorder.closeLog();
  try {
    const run = end.isCancelled === true ? undefined : solved?.failedRuns.kept;
    const record = await recordOf(build, { ...end, lack: log.lack });
    const kept = run === undefined ? undefined : await keptState(run);
    const records = new BuildRecords(join(request.root, "tsbuild/builds"), place.workDirectory);
    records.save(record, { kept, log: log.path }, (id) => engine.layers.drop(id));
    request.onRemembered?.(record.id);
    return record.id;
  } catch (error) {
    request.events({ kind: "warning", message: `this build is not remembered: ${asBuildError(error).message}` });
    return undefined;
  }
}

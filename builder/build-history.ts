// The end of a build: it is remembered, and what a failed RUN left is kept and, if a person wants that, looked at.

import { join } from "node:path";
import type { Withheld } from "./attest/withheld.ts";
import { isSecretName } from "./attest/withheld.ts";
import { asBuildError, BuildError } from "./core/errors.ts";
import type { Digest } from "./core/digest.ts";
import type { Engine } from "./engine.ts";
import type { FailedRuns, KeptRun } from "./failed-runs.ts";
import type { ExecOp } from "./graph/op.ts";
import type { Vertex } from "./graph/vertex.ts";
import { topological } from "./graph/vertex.ts";
import type { SourceLoader } from "./ops/engine-parts.ts";
import { builtUpon } from "./ops/keys.ts";
import type { BuildRecord, KeptState, StepRecord } from "./records/build-record.ts";
import { RECORD_FORMAT } from "./records/build-record.ts";
import { BuildRecords, newBuildId } from "./records/build-records.ts";
import type { BuildRequest, ContextSpec } from "./request.ts";
import { withheldOf } from "./secret-values.ts";

export interface FinishedBuild {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly sources: SourceLoader;
  readonly targets: readonly Vertex[];
  readonly keys: ReadonlyMap<Digest, Digest>;
  readonly failedRuns: FailedRuns;
  readonly startedMs: number;
  readonly signal: AbortSignal;
}

/** Remembers a build whose steps are done. That it cannot be remembered is a warning. */
export async function rememberDone(build: FinishedBuild): Promise<void> {
  await remember(build, undefined);
}

/**
 * Remembers a build of which a step failed; in a RUN that did it opens the shell that the request asks for. Gives the error
 * to throw, which says how to look at the step afterwards.
 */
export async function rememberFailure(build: FinishedBuild, thrown: unknown): Promise<BuildError> {
  const error = asBuildError(thrown);
  if (error.code === "CANCELLED" || build.signal.aborted) return error;
  const { kept } = build.failedRuns;
  const id = await remember(build, error);
  if (kept === undefined || id === undefined) return error;
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
  { engine, request, signal }: FinishedBuild,
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
  const { runShell } = await import("./ops/shell.ts");
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

/** The id under which the build is remembered. */
async function remember(build: FinishedBuild, failure: BuildError | undefined): Promise<string | undefined> {
  const { engine, request, failedRuns } = build;
  try {
    const { kept } = failedRuns;
    const record = await recordOf(build, failure, kept);
    const state = kept === undefined ? undefined : await keptState(kept);
    const records = new BuildRecords(join(request.root, "tsbuild/builds"), engine.layers.place.workDirectory);
    records.save(record, state, (id) => engine.layers.drop(id));
    return record.id;
  } catch (error) {
    request.events({ kind: "warning", message: `this build is not remembered: ${asBuildError(error).message}` });
    return undefined;
  }
}

async function recordOf(
  { request, sources, targets, keys, startedMs }: FinishedBuild,
  failure: BuildError | undefined,
  kept: KeptRun | undefined,
): Promise<BuildRecord> {
  const withheld = await withheldOf(request);
  const order = topological(targets);
  const places = new Map(order.map((vertex, place) => [vertex.digest, place]));
  const steps: StepRecord[] = [];
  for (const vertex of order) {
    const { op, options, inputs } = vertex;
    const key = keys.get(vertex.digest);
    const step = { vertex: vertex.digest, name: options.name };
    const image =
      op.kind === "source" && op.source.type === "image" ? await sources.image(op.source.id, step, NEVER) : undefined;
    const [upon] = builtUpon(vertex);
    const base = upon === undefined ? undefined : places.get(inputs[upon]?.digest ?? vertex.digest);
    const run = op.kind === "exec" ? withoutSecrets(op, options.hiddenEnv ?? [], request, withheld) : {};
    steps.push({
      vertex: vertex.digest,
      name: withheld.scrub(options.name),
      kind: op.kind,
      inputs: inputs.map((input) => places.get(input.digest) ?? 0),
      ...(base === undefined ? {} : { base }),
      ...(key === undefined ? {} : { key }),
      ...(image === undefined ? {} : { layers: image.layers.map((layer) => layer.id) }),
      ...run,
    });
  }
  const failed = kept === undefined ? undefined : places.get(kept.vertex.digest);
  return {
    format: RECORD_FORMAT,
    id: newBuildId(),
    what: whatIsBuilt(request),
    startedMs,
    endedMs: request.now(),
    steps,
    ...(failure === undefined
      ? {}
      : { failure: { message: withheld.scrub(failure.message), ...(failed === undefined ? {} : { step: failed }) } }),
  };
}

/** Variables that may not be written down are remembered by name: whoever looks again has them in the environment. */
function withoutSecrets(
  op: ExecOp,
  hidden: readonly string[],
  { buildArgs }: BuildRequest,
  withheld: Withheld,
): Required<Pick<StepRecord, "exec" | "hiddenEnv">> {
  const nameOf = (variable: string): string => variable.replace(/=.*$/s, "");
  const isSecret = (variable: string): boolean => {
    const name = nameOf(variable);
    // A default that stands in the Dockerfile is no secret, whatever its name.
    return withheld.scrub(variable) !== variable || (buildArgs.has(name) && isSecretName(name));
  };
  const exec = {
    ...op,
    args: op.args.map((word) => withheld.scrub(word)),
    env: op.env.filter((variable) => !isSecret(variable)),
  };
  return { exec, hiddenEnv: [...hidden, ...op.env.filter(isSecret)].map(nameOf) };
}

async function keptState({ plan, rootfs }: KeptRun): Promise<KeptState> {
  const inputs: Record<number, readonly string[]> = {};
  for (const mount of plan.op.mounts) {
    const input = mount.type === "bind" || mount.type === "cache" ? plan.inputs[mount.input] : undefined;
    if (input === undefined || !("input" in mount)) continue;
    inputs[mount.input] = (await input.ref(NEVER)).layers.map((layer) => layer.id);
  }
  return { rootfs: (await rootfs.ref(NEVER)).layers.map((layer) => layer.id), inputs };
}

/** The names of the image, else where it is built from; a URL without what may be a password. */
function whatIsBuilt({ exports, context, target }: BuildRequest): string {
  const names = exports.flatMap((output) => ("image" in output ? output.image.names : []));
  const what = names.length > 0 ? [...new Set(names)].join(", ") : contextText(context);
  return target === undefined ? what : `${what} (${target})`;
}

function contextText(context: ContextSpec): string {
  switch (context.kind) {
    case "directory":
    case "oci-layout":
    case "docker-archive":
      return context.path;
    case "stream":
      return "-";
    case "git":
    case "http":
      return context.url.replace(/\/\/[^/@]*@/, "//");
    case "image":
      return context.reference;
  }
}

const NEVER = new AbortController().signal;

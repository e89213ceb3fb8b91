// Request to result, in eight stages. Read this file first: it is the only place that
// knows them all. Each stage has its folder; what is between them is plain data.

import { BuildError } from "./core/errors.ts";
import { BuildRecording } from "./engine/recording/build-recording.ts";
import { convert } from "./dockerfile/convert/convert.ts";
import type { Plan } from "./dockerfile/convert/plan.ts";
import type { LintFinding } from "./dockerfile/instruction.ts";
import { readDockerfile } from "./dockerfile/instructions.ts";
import { type Engine, type OnFault, openEngine } from "./engine.ts";
import { namespaceNotes } from "./executor/rights.ts";
import { findingEvent } from "./engine/finding-events.ts";
import type { Vertex } from "./graph/vertex.ts";
import { checkStackHeight } from "./graph/stack-height.ts";
import { InputLoader } from "./engine/contexts/inputs.ts";
import type { BuildLock } from "./engine/contexts/lock.ts";
import { PackAhead } from "./engine/pack-ahead.ts";
import { readersOf } from "./ops/context-files.ts";
import type { OpResult } from "./ops/result.ts";
import { requireKnownBytes } from "./engine/compressor-check.ts";
import { checkOf, convertOptions } from "./engine/convert-options.ts";
import type { Outcome } from "./engine/outputs/outputs.ts";
import { exportAll } from "./engine/outputs/outputs.ts";
import { makesImage } from "./engine/demand.ts";
import type { BuildRequest, BuildResult } from "./request.ts";
import { BuildRecorder } from "./records/recorder.ts";
import type { RemoteCaches } from "./engine/caches/remote-caches.ts";
import { dryRun, enterNamespaceIfNeeded, solve, type SolveParts } from "./engine/solving.ts";
import { SecretWatch } from "./engine/secrets/secret-watch.ts";
import type { Ref } from "./snapshot/ref.ts";

/** Builds what is asked for. Throws BuildError; `NamespaceNeeded` when the same request must be made again inside a user namespace. */
export async function build(asked: BuildRequest, signal: AbortSignal): Promise<BuildResult> {
  const recorder = new BuildRecorder(asked.events, asked.earlier);
  using secrets = await SecretWatch.open({ ...asked, events: recorder.sink });
  try {
    return await buildRecorded(secrets, recorder, signal);
  } catch (error) {
    throw secrets.error(error);
  }
}

async function buildRecorded(secrets: SecretWatch, recorder: BuildRecorder, signal: AbortSignal): Promise<BuildResult> {
  const { request } = secrets;
  const startedMs = request.now();
  const { root, requireSandbox, snapshotter, limits, disk } = request;
  const onFault: OnFault = (message, more) => request.events({ kind: "warning", message, ...more });
  const watch = secrets.layers;
  await using engine = await openEngine({ root, requireSandbox, snapshotter, limits, disk, watch, onFault });
  await secrets.keepVerdicts(engine);
  return await engine.space.within(signal, (inner) => buildIn(engine, secrets, recorder, startedMs, inner));
}

async function buildIn(
  engine: Engine,
  secrets: SecretWatch,
  recorder: BuildRecorder,
  startedMs: number,
  signal: AbortSignal,
): Promise<BuildResult> {
  const { request } = secrets;
  await using inputs = new InputLoader(engine, request, signal);
  const recording = new BuildRecording({ engine, request, recorder, startedMs, signal });
  try {
    const result = await stages({ engine, secrets, inputs, recording, startedMs, signal });
    await recording.done(result);
    return result;
  } catch (error) {
    throw await recording.failed(secrets.error(error));
  }
}

interface OpenBuild {
  readonly engine: Engine;
  readonly secrets: SecretWatch;
  readonly inputs: InputLoader;
  readonly recording: BuildRecording;
  readonly startedMs: number;
  readonly signal: AbortSignal;
}

/** The eight of them. */
async function stages({ engine, secrets, inputs, recording, startedMs, signal }: OpenBuild): Promise<BuildResult> {
  const { request } = secrets;

  if (request.definition !== undefined) {
    const { planOfDefinition } = await import("./engine/definition-plan.ts");
    const plan = await planOfDefinition(request.definition, request, inputs, signal);
    return await finishStages({ engine, secrets, inputs, recording, startedMs, signal }, [plan]);
  }

  // 1, 2: text to instructions
  const namedLock = request.lock?.path === undefined ? undefined : await openLock(request, undefined, inputs);
  const source = await inputs.dockerfile();
  const lock = namedLock ?? (await openLock(request, source.path, inputs));
  const file = { name: source.name, text: Buffer.from(source.bytes).toString("utf8"), vertex: source.vertex };
  const onFinding = (finding: LintFinding): void => request.events(findingEvent(finding, file));
  const dockerfile = readDockerfile(source.bytes, source.name, {
    check: checkOf(request),
    onFinding,
    frontend: inputs.frontend(),
  });

  // 3: instructions to a graph and a config draft, for each platform
  const platforms = request.platforms.length === 0 ? [request.hostPlatform] : request.platforms;
  const plans: Plan[] = [];
  for (const [at, platform] of platforms.entries()) {
    // What is wrong with the text is said once, not for each platform.
    const lint = at === 0 ? { onFinding } : { check: "skip=all" };
    plans.push(await convert(dockerfile, { ...convertOptions(request, platform), ...lint }, inputs, signal));
  }
  return await finishStages({ engine, secrets, inputs, recording, startedMs, signal }, plans, file, lock);
}

/** From the fourth on, whatever the graph was made of. */
async function finishStages(
  { engine, secrets, inputs, recording, startedMs, signal }: OpenBuild,
  plans: readonly Plan[],
  file?: Readonly<Record<"name" | "text", string>>,
  lock?: BuildLock,
): Promise<BuildResult> {
  const { request } = secrets;

  // 4, 5: the graph to results
  const targets = plans.flatMap((plan) => plan.result ?? []);
  checkStackHeight(targets);
  inputs.setReaders(readersOf(targets));
  if (request.lock?.mode === "enforce") lock?.check(targets);
  const blobs = inputs.blobOptions(plans[0]?.epochSeconds);
  await using caches = await openCaches(engine, request, inputs, signal);
  const parts = { engine, request, secrets, inputs, targets, blobs, caches, signal };
  if (request.reproducible) await requireKnownBytes(parts.blobs);
  if (request.dryRun === true) return await dryRun(parts);
  for (const message of namespaceNotes(request.environment)) request.events({ kind: "warning", message });
  const finish = async (): Promise<BuildResult> => {
    // Each time: a cache that breaks its promises leaves steps to run.
    await enterNamespaceIfNeeded(parts);
    await using ahead = new PackAhead(parts.blobs, request.events, signal);
    const { results, known } = await solve(parts, ahead, recording);

    // 6, 7, 8: layers to blobs, image, outputs
    const refs = await refsOf(plans, targets, results, signal);
    const solved = { engine, request, targets, refs, known, blobs: parts.blobs, signal };
    const outcomes = plans.map((plan, at) => ({ plan, ref: refs[at] ?? { layers: [] } }));
    const squashed = await squashIfAsked(parts, outcomes);
    const cached = (await caches?.inline(solved, squashed)) ?? squashed;
    const result = await exportGuarded(parts, await attestIfAsked(parts, cached, file, startedMs));
    await caches?.write({ ...solved, guard: await secrets.outputs(targets) });
    return result;
  };
  const result = caches === undefined ? await finish() : await caches.retrying(finish);
  if (request.lock?.mode === "write") await lock?.write(inputs.resolved, signal);
  return result;
}

async function openCaches(
  engine: Engine,
  request: BuildRequest,
  inputs: InputLoader,
  signal: AbortSignal,
): Promise<RemoteCaches | undefined> {
  const { cacheFrom = [], cacheTo = [] } = request;
  if (cacheFrom.length + cacheTo.length === 0) return undefined;
  const { RemoteCaches: Caches } = await import("./engine/caches/remote-caches.ts");
  return new Caches(engine, request, inputs, signal);
}

/** A lock that is to be obeyed counts from here on. */
async function openLock(
  request: BuildRequest,
  dockerfilePath: string | undefined,
  inputs: InputLoader,
): Promise<BuildLock | undefined> {
  if (request.lock === undefined) return undefined;
  const { BuildLock: Lock } = await import("./engine/contexts/lock.ts");
  const lock = await Lock.open(request, dockerfilePath);
  if (lock !== undefined && request.lock.mode === "enforce")
    inputs.pin((reference, platform) => lock.image(reference, platform), lock);
  return lock;
}

async function squashIfAsked(parts: SolveParts, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
  const { request, inputs, signal } = parts;
  const mode = request.squash;
  if (mode === undefined || !makesImage(request)) return outcomes;
  const { squash } = await import("./engine/outputs/squash.ts");
  const layersOfImage = (id: string): number | undefined =>
    inputs.resolved.images.find((image) => image.id === id)?.layers;
  return await Promise.all(outcomes.map((outcome) => squash({ ...parts, layersOfImage }, outcome, mode, signal)));
}

async function attestIfAsked(
  { engine, request, inputs, signal }: SolveParts,
  outcomes: readonly Outcome[],
  dockerfile: Readonly<Record<"name" | "text", string>> | undefined,
  startedMs: number,
): Promise<readonly Outcome[]> {
  if (request.attestations === undefined && request.recordsProvenance !== true) return outcomes;
  const { attestationsOf, recordedOf } = await import("./engine/outputs/attestations.ts");
  const done = { engine, request, inputs, dockerfile, startedMs, finishedMs: request.now() };
  const stated = await attestationsOf(done, outcomes, signal);
  const recorded = request.recordsProvenance === true ? await recordedOf(done, outcomes) : [];
  return outcomes.map((outcome, at) => ({ ...outcome, attestations: stated[at] ?? [], recorded: recorded[at] }));
}

/** Where secrets are known, nothing is written that holds one. */
async function exportGuarded(
  { engine, request, secrets, targets, blobs, signal }: SolveParts,
  outcomes: readonly Outcome[],
): Promise<BuildResult> {
  const guard = await secrets.outputs(targets);
  if (guard === undefined) return await exportAll(engine, request, outcomes, signal);
  await guard.check(outcomes, blobs, signal);
  const attested = outcomes.map((outcome) => ({
    ...outcome,
    attestations: (outcome.attestations ?? []).map((attestation) => guard.attested(attestation)),
    recorded: outcome.recorded && guard.attested(outcome.recorded),
  }));
  return await exportAll({ ...engine, store: guard.guarded(engine.store) }, request, attested, signal);
}

async function refsOf(
  plans: readonly Plan[],
  targets: readonly Vertex[],
  results: readonly OpResult[],
  signal: AbortSignal,
): Promise<Ref[]> {
  return await Promise.all(
    plans.map(async (plan) => {
      if (plan.result === undefined) return { layers: [] };
      const result = results[targets.indexOf(plan.result)];
      if (result === undefined) throw new BuildError("INTERNAL", "a target has no result");
      return await result.ref(signal);
    }),
  );
}

// The fourth and fifth stage of a build: a solver put together from what the build has open, and asked.

import type { Digest } from "../core/digest.ts";
import type { EventSink } from "../core/events.ts";
import { NamespaceNeeded } from "../core/system/namespace.ts";
import type { Engine } from "../engine.ts";
import type { Vertex } from "../graph/vertex.ts";
import { topological } from "../graph/vertex.ts";
import { readersOf } from "../ops/context-files.ts";
import { refOperator } from "../ops/operator.ts";
import type { OpResult } from "../ops/result.ts";
import type { BuildRequest, BuildResult } from "../request.ts";
import type { BlobOptions } from "../snapshot/ref.ts";
import { Solver } from "../solver/solver.ts";
import { RecordedResults } from "./caches/recorded-results.ts";
import type { RemoteCaches } from "./caches/remote-caches.ts";
import type { InputLoader } from "./contexts/inputs.ts";
import { directoryWanters, imageVertices, runWanters } from "./demand.ts";
import type { PackAhead } from "./pack-ahead.ts";
import type { BuildRecording, SolvedGraph } from "./recording/build-recording.ts";
import { FailedRuns } from "./recording/failed-runs.ts";
import { KeyFilesByVertex } from "./recording/step-files.ts";
import { sandboxOf } from "./sandbox.ts";
import { withheldOf } from "./secrets/secret-values.ts";
import type { SecretWatch } from "./secrets/secret-watch.ts";

/** What stages 4 and 5 work with. */
export interface SolveParts {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly secrets: SecretWatch;
  readonly inputs: InputLoader;
  readonly targets: readonly Vertex[];
  readonly blobs: BlobOptions;
  /** Caches elsewhere, if any were named. */
  readonly caches: RemoteCaches | undefined;
  readonly signal: AbortSignal;
}

/** Results of the targets, in order, and of whatever else is known by now. */
interface Solved {
  readonly results: readonly OpResult[];
  readonly known: (vertex: Vertex) => Promise<OpResult | undefined>;
}

/** What a failed RUN left is kept, and looked at while its inputs are there. */
export async function solve(parts: SolveParts, ahead: PackAhead, recording: BuildRecording): Promise<Solved> {
  const { targets, inputs } = parts;
  const failedRuns = new FailedRuns();
  const files = new KeyFilesByVertex();
  const solver = solverOf(parts, parts.request.events, { ahead, failedRuns, files });
  const solved = async (): Promise<SolvedGraph> => {
    return { targets, keys: await solver.knownKeys(), sources: inputs.loader(), failedRuns, files };
  };
  try {
    const results = await solver.solve(targets);
    recording.solved = await solved();
    // Layers are compressed meanwhile. A cache elsewhere may have the steps begin anew.
    inputs.saveDigests();
    if (parts.caches === undefined) recording.rememberSteps();
    return { results, known: (vertex) => solver.known(vertex) };
  } catch (error) {
    if (parts.caches?.hasBroken === true) throw error;
    recording.solved = await solved();
    throw await recording.failed(parts.secrets.error(error));
  } finally {
    recording.solved ??= await solved();
  }
}

function solverOf(
  { engine, request, inputs, targets, blobs, caches, signal }: SolveParts,
  events: EventSink,
  { ahead, failedRuns, files }: { ahead?: PackAhead; failedRuns?: FailedRuns; files?: KeyFilesByVertex } = {},
): Solver<OpResult> {
  const { records, layers, locksDirectory } = engine;
  let withheld: ReturnType<typeof withheldOf> | undefined;
  const cache = new RecordedResults({
    records,
    layers,
    locksDirectory,
    now: request.now,
    scrubbed: async (text) => (await (withheld ??= withheldOf(request))).scrub(text),
    imported: caches?.imported,
    maxAgeMs: request.cacheRules?.maxAgeMs,
  });
  const inImage = imageVertices(request, targets);
  const forRun = runWanters(targets);
  const wanted = directoryWanters(request, targets);
  const operator = refOperator({
    layers,
    ...sandboxOf(engine, events),
    sources: inputs.loader(),
    cacheMounts: (caches?.mounts ?? engine.cacheMounts).renewing(mountsToRenew(targets)),
    facts: records,
    readers: readersOf(targets),
    session: request.session,
    failedRuns,
    onKeyFiles: files?.take,
    events,
    now: request.now,
    blobOptions: blobs,
    isForRun: (vertex: Digest) => forRun.has(vertex),
    wantsDirectory: (vertex: Digest) => wanted.has(vertex),
  });
  return new Solver({
    operator,
    cache,
    events: inputs.withoutTold(caches?.withOrigins(events) ?? events),
    now: request.now,
    jobs: request.jobs,
    turns: request.turns,
    signal,
    // An image wants the blob: compressing starts while later steps run.
    onResult: (vertex, result) => {
      if (inImage.has(vertex.digest)) ahead?.start(result);
    },
  });
}

/** Ids of the cache mounts of steps that are to run as if nothing had been built: they lose what they have, as in BuildKit. */
function mountsToRenew(targets: readonly Vertex[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { op, options } of topological(targets)) {
    if (op.kind !== "exec" || options.ignoreCache !== true) continue;
    for (const mount of op.mounts) if (mount.type === "cache") ids.add(mount.id);
  }
  return ids;
}

/** An ordinary user runs steps inside a user namespace; what is known already, or runs nothing, needs none. What a namespace lacks is said in it. */
export async function enterNamespaceIfNeeded(parts: SolveParts): Promise<void> {
  const { engine, targets, caches } = parts;
  if (engine.privileged || !topological(targets).some((vertex) => vertex.op.kind === "exec")) return;
  if (caches?.readsMounts(targets) === true) throw new NamespaceNeeded("reading a cache mount");
  const peek = solverOf(parts, () => {});
  if (!(await peek.isKnown(targets))) throw new NamespaceNeeded("running a step");
}

/** What would be done, without doing it. */
export async function dryRun(parts: SolveParts): Promise<BuildResult> {
  const { planOf } = await import("./caches/dry-run.ts");
  const files = new KeyFilesByVertex();
  const solver = solverOf(parts, () => {}, { files });
  const plan = await planOf({ ...parts, solver, files });
  return { images: [], digest: undefined, descriptor: undefined, names: [], warnings: 0, plan };
}

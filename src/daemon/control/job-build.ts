// One build, or one question, on behalf of a job: what is asked is made a request with all that the job has.

import { build } from "../../../builder/build.ts";
import { call } from "../../../builder/call.ts";
import type { CallResult, Question } from "../../../builder/call.ts";
import type { ClientFolders } from "../../../builder/client-folders.ts";
import type { Digest } from "../../../builder/core/digest.ts";
import type { BuildResult, ExportSpec } from "../../../builder/request.ts";
import type { AskedCaches } from "../build/caches.ts";
import type { Asked } from "../build/request.ts";
import { requestOf } from "../build/request.ts";
import type { EngineEvents } from "../docker/events.ts";
import type { Sessions } from "../session/sessions.ts";
import type { DaemonSettings } from "../settings.ts";
import type { FairTurns } from "../turns.ts";
import type { Observer } from "../watch/observer.ts";
import type { Wanted } from "./gateway.ts";
import type { Job, Jobs } from "./jobs.ts";

/** What builds work with. */
export interface SolveWorld {
  readonly settings: DaemonSettings;
  readonly jobs: Jobs;
  readonly sessions: Sessions;
  readonly places: ClientFolders;
  /** Aborted when the daemon gives its builds up. */
  readonly stopped: AbortSignal;
  readonly observer: Observer;
  /** Told of images that builds leave in the store. */
  readonly events: EngineEvents;
  /** Of all tenants together. */
  readonly turns: FairTurns;
}

/** The build that a job is. */
export async function buildFor(world: SolveWorld, job: Job, asked: Asked, isInternal: boolean): Promise<BuildResult> {
  using held = new DisposableStack();
  const request = await requestOf(asked, await requestWorld(world, job, held));
  const result = await build(
    { ...request, isInternal, earlier: job.earlier, recordsProvenance: !isInternal },
    job.signal,
  );
  if (request.exports.some((spec) => spec.type === "image" && spec.store)) world.events.built(result);
  return result;
}

/**
 * A result of which the job's build may be made, without what its exporters ask for; `exports` are outputs of our own. Of steps
 * whose names `isTold` refuses nothing is told.
 */
export async function buildPart(
  world: SolveWorld,
  job: Job,
  wanted: Wanted,
  exports: readonly ExportSpec[] = [],
  isTold: (name: string) => boolean = () => true,
): Promise<BuildResult> {
  using held = new DisposableStack();
  const { events, ...more } = await requestWorld(world, job, held);
  const hidden = new Set<Digest | undefined>();
  const told: typeof events = (event) => {
    if (event.kind === "vertex" && !isTold(event.name)) hidden.add(event.vertex);
    if (event.vertex !== undefined && hidden.has(event.vertex)) return;
    job.earlier.add(event);
    events(event);
  };
  const request = await requestOf({ ...NOTHING_KEPT, ...wanted }, { ...more, events: told });
  return await build({ ...request, exports, isInternal: true, earlier: job.earlier }, job.signal);
}

/** Answers a question about the Dockerfile. */
export async function answerFor(world: SolveWorld, job: Job, wanted: Wanted, question: Question): Promise<CallResult> {
  using held = new DisposableStack();
  // The other targets of a bake are not built for a question: nothing is known of their results.
  const attrs = new Map([...wanted.attrs].map(([key, value]) => [key, isOtherTarget(key, value) ? SCRATCH : value]));
  const request = await requestOf({ ...NOTHING_KEPT, ...wanted, attrs }, await requestWorld(world, job, held));
  return await call(request, question, job.signal);
}

const SCRATCH = "docker-image://scratch";

function isOtherTarget(key: string, value: string): boolean {
  return key.startsWith("context:") && value.startsWith("target:");
}

async function requestWorld(
  { settings, places, sessions, turns }: SolveWorld,
  job: Job,
  held: DisposableStack,
): Promise<Parameters<typeof requestOf>[1]> {
  const { session, signal, log, outcome, gitRefs } = job;
  // A client that looks into a result and then wants it has it built twice, and is told of each step once.
  const earlier = new Set([...outcome.steps].flatMap(([vertex, state]) => (state === "known" ? [] : [vertex])));
  return {
    settings,
    gitRefs,
    turns: turns.of({ client: job.client, build: job.ref, tenant: settings.tenant, most: settings.mostTurns }),
    places,
    held,
    signal,
    policies: job.policies,
    onClientCache: (manifest) => void (outcome.cacheManifest = manifest),
    session: await session,
    otherSession: (id) => sessions.find(id, signal),
    events: (event) => {
      if (event.kind === "vertex" && earlier.has(event.vertex)) return;
      log.add(event);
      job.timeline?.take(event);
      job.observed?.event(event);
      if (event.kind === "warning") outcome.warnings++;
      if (event.kind !== "vertex") return;
      const { vertex, cached, completed } = event;
      outcome.steps.set(vertex, cached === true ? "cached" : completed === undefined ? "known" : "completed");
    },
  };
}

export const NO_CACHES: AskedCaches = { imports: [], exports: [] };
/** Of a build that is only to be known, or asked about. */
const NOTHING_KEPT: Pick<Asked, "exporters" | "entitlements" | "caches"> = {
  exporters: [],
  entitlements: [],
  caches: NO_CACHES,
};

// Control.Solve: a build from its request to what its exporters say. The client either names the frontend at once, or
// calls it through the bridge and hands the result back.

import { build } from "../../../builder/build.ts";
import type { Descriptor } from "../../../builder/core/descriptor.ts";
import type { Digest } from "../../../builder/core/digest.ts";
import { parseDigest } from "../../../builder/core/digest.ts";
import { call } from "../../../builder/call.ts";
import type { CallResult, Question } from "../../../builder/call.ts";
import type { BuildResult, ExportSpec } from "../../../builder/request.ts";
import type { AskedCaches } from "../build/caches.ts";
import type { Asked, Given } from "../build/request.ts";
import { requestOf } from "../build/request.ts";
import { exportersOf } from "../build/exporters.ts";
import type { ServerCall } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { SolveRequest } from "../../api/proto/control.ts";
import type { Definition } from "../../api/proto/llb.ts";
import type { Of } from "../../api/proto/message.ts";
import type { ClientFolders } from "../../../builder/client-folders.ts";
import type { Sessions } from "../session/sessions.ts";
import type { DaemonSettings } from "../settings.ts";
import type { FairTurns } from "../turns.ts";
import type { Observer } from "../watch/observer.ts";
import { rpcErrorOf } from "./errors.ts";
import type { Attrs, Wanted } from "./gateway.ts";
import { configured, wantedOf } from "./gateway.ts";
import type { Job, Jobs } from "./jobs.ts";
import { resultInGraph } from "./result-graph.ts";

/** What builds work with. */
export interface SolveWorld {
  readonly settings: DaemonSettings;
  readonly jobs: Jobs;
  readonly sessions: Sessions;
  readonly places: ClientFolders;
  /** Aborted when the daemon gives its builds up. */
  readonly stopped: AbortSignal;
  readonly observer: Observer;
  /** Of all tenants together. */
  readonly turns: FairTurns;
}

/**
 * Builds; what is returned are the exporters' words. `given` is what does not come through a session. Nothing of the
 * build is left when it returns. Throws `RpcError`.
 */
export async function solve(
  world: SolveWorld,
  request: SolveRequest,
  { signal: gone, metadata, connection }: Pick<ServerCall, "signal" | "metadata" | "connection">,
  given: Given = {},
): Promise<ReadonlyMap<string, string>> {
  const ended = new AbortController();
  const signal = AbortSignal.any([gone, world.stopped, ended.signal]);
  const session = request.session === "" ? Promise.resolve(undefined) : world.sessions.find(request.session, signal);
  session.catch(() => undefined); // asked for below
  const job = world.jobs.begin(request.ref, connection, session, signal);
  try {
    await session;
    const asked = await whatToBuild(world, job, request);
    if (asked === undefined) {
      if (exportersOf(request).length > 0) throw new RpcError(CODE.invalidArgument, "there is no result to export");
      return new Map();
    }
    const { wanted, exporters } = configured(asked, exportersOf(request));
    [job.outcome.attrs, job.outcome.isBuild, job.outcome.exporters] = [wanted.attrs, true, exporters];
    job.outcome.frontend = wanted.definition === undefined ? "dockerfile.v0" : "";
    job.observed = world.observer.begin(job.ref, metadata.get("traceparent"));
    const { entitlements, cache } = request;
    const caches = cache ?? NO_CACHES;
    const result = await buildFor(world, job, { ...wanted, exporters, entitlements, caches, given });
    job.observed.ended({ digest: result.digest });
    return (job.outcome.response = responseOf(result, job.outcome.cacheManifest));
  } catch (error) {
    const failure = rpcErrorOf(gone.aborted ? new RpcError(CODE.cancelled, "context canceled") : error);
    job.outcome.error = failure.status;
    job.observed?.ended({ error: failure.status });
    throw failure;
  } finally {
    ended.abort(new RpcError(CODE.cancelled, "the build is over"));
    world.jobs.end(job, job.outcome.isBuild && !request.internal);
  }
}

async function whatToBuild(
  world: SolveWorld,
  job: Job,
  { frontend, frontendAttrs: attrs, definition, frontendInputs }: SolveRequest,
): Promise<Wanted | undefined> {
  if (frontend !== "" || (definition !== undefined && definition.ops.length > 0))
    return wantedOf({ frontend, attrs, definition, inputs: await builtInputs(world, job, frontendInputs) });
  return await job.gateway.returned(job.signal);
}

/** One build on behalf of a job; `more` are outputs that no exporter asks for. */
export async function buildFor(
  world: SolveWorld,
  job: Job,
  asked: Asked,
  more: readonly ExportSpec[] = [],
): Promise<BuildResult> {
  using held = new DisposableStack();
  const request = await requestOf(asked, await requestWorld(world, job, held));
  return await build({ ...request, exports: [...request.exports, ...more] }, job.signal);
}

/**
 * The inputs of a frontend, made now, as images of the store: the other builds of the client's whose results they are last
 * until this is done, and their files lie in the sessions of these. Throws `RpcError`.
 */
export async function builtInputs(
  world: SolveWorld,
  job: Job,
  inputs: ReadonlyMap<string, Of<typeof Definition>>,
): Promise<ReadonlyMap<string, Digest>> {
  const built = new Map<string, Digest>();
  for (const [name, graph] of inputs) {
    const result = resultInGraph(graph);
    if (result === undefined)
      throw new RpcError(
        CODE.unimplemented,
        `the input "${name}" of a frontend is a graph, which is not supported: it can be what another build made`,
      );
    const { gateway, session } = world.jobs.owning(result);
    const wanted = gateway.find(result);
    const attrs = new Map([...wanted.attrs].filter(([key]) => !key.startsWith("attest:")));
    // Told of in the log of the build that needs it.
    const { digest } = await buildFor(world, { ...job, session }, { ...NOTHING_KEPT, ...wanted, attrs }, [INPUT_IMAGE]);
    built.set(name, parseDigest(digest ?? ""));
  }
  return built;
}

const INPUT_IMAGE: ExportSpec = {
  type: "image",
  image: { names: [], mediaTypes: "oci", compression: "gzip", forceCompression: false, annotations: [] },
  push: false,
  pushByDigest: false,
  store: true,
};

const NO_CACHES: AskedCaches = { imports: [], exports: [] };
/** Of a build that is only to be known, or asked about. */
export const NOTHING_KEPT: Pick<Asked, "exporters" | "entitlements" | "caches"> = {
  exporters: [],
  entitlements: [],
  caches: NO_CACHES,
};

const QUESTIONS: ReadonlyMap<string, Question> = new Map([
  ["frontend.lint", "check"],
  ["frontend.outline", "outline"],
  ["frontend.targets", "targets"],
  ["frontend.subrequests.describe", "subrequests.describe"],
]);

/** The question that attributes ask instead of a build; undefined for a build. Throws `RpcError` for an unknown one. */
export function questionOf(attrs: Attrs): Question | undefined {
  const name = attrs.get("requestid") ?? "";
  if (name === "") return undefined;
  const question = QUESTIONS.get(name);
  if (question !== undefined) return question;
  const detail = {
    typeUrl: "github.com/moby/buildkit/errdefs.Subrequest+json",
    value: Buffer.from(JSON.stringify({ name })),
  };
  throw new RpcError(CODE.unimplemented, `unsupported request ${name}`, [detail]);
}

/** Answers a question about the Dockerfile. */
export async function answerFor(world: SolveWorld, job: Job, wanted: Wanted, question: Question): Promise<CallResult> {
  using held = new DisposableStack();
  const request = await requestOf({ ...NOTHING_KEPT, ...wanted }, await requestWorld(world, job, held));
  return await call(request, question, job.signal);
}

async function requestWorld(
  { settings, places, sessions, turns }: SolveWorld,
  job: Job,
  held: DisposableStack,
): Promise<Parameters<typeof requestOf>[1]> {
  const { session, signal, log, outcome, gitRefs } = job;
  return {
    settings,
    gitRefs,
    turns: turns.of({ client: job.client, tenant: settings.tenant, most: settings.mostTurns }),
    places,
    held,
    signal,
    onClientCache: (manifest) => void (outcome.cacheManifest = manifest),
    session: await session,
    otherSession: (id) => sessions.find(id, signal),
    events: (event) => {
      log.add(event);
      job.observed?.event(event);
      if (event.kind !== "vertex") return;
      const { vertex, cached, completed } = event;
      outcome.steps.set(vertex, cached === true ? "cached" : completed === undefined ? "known" : "completed");
    },
  };
}

/** By the names that BuildKit's exporters use. */
function responseOf(
  { images, digest, descriptor, names }: BuildResult,
  cacheManifest: Descriptor | undefined,
): ReadonlyMap<string, string> {
  const response = new Map<string, string>();
  const [only] = images.length === 1 ? images : [];
  if (digest !== undefined) response.set("containerimage.digest", digest);
  if (only !== undefined) response.set("containerimage.config.digest", only.imageId);
  if (descriptor !== undefined)
    response.set("containerimage.descriptor", Buffer.from(JSON.stringify(descriptor)).toString("base64"));
  if (names.length > 0) response.set("image.name", names.join(","));
  // The client lists the cache in its folder by it.
  if (cacheManifest !== undefined) response.set("cache.manifest", JSON.stringify(cacheManifest));
  return response;
}

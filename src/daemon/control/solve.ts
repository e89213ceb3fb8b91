// Control.Solve: a build from its request to what its exporters say. The client either names the frontend at once, or
// calls it through the bridge and hands the result back.

import type { Descriptor } from "../../../builder/core/image/descriptor.ts";
import type { Question } from "../../../builder/call.ts";
import type { BuildResult } from "../../../builder/request.ts";
import type { Given } from "../build/request.ts";
import { readPolicy } from "../build/source-policies.ts";
import { exportersOf } from "../build/exporters.ts";
import type { ServerCall } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { Exporter, SolveRequest } from "../../api/proto/control.ts";
import { rpcErrorOf } from "./errors.ts";
import { askedGraph, frontendInputs } from "./frontend-inputs.ts";
import type { Attrs, Wanted } from "./gateway.ts";
import { configured, wantedOf } from "./gateway.ts";
import type { SolveWorld } from "./job-build.ts";
import { buildFor, NO_CACHES } from "./job-build.ts";
import type { Job } from "./jobs.ts";

/**
 * Builds; what is returned are the exporters' words. `given` is what does not come through a session. Nothing of the
 * build is left when it returns. Throws `RpcError`.
 */
export async function solve(
  world: SolveWorld,
  request: SolveRequest,
  { signal: gone, metadata, client }: Pick<ServerCall, "signal" | "metadata" | "client">,
  given: Given = {},
): Promise<ReadonlyMap<string, string>> {
  const ended = new AbortController();
  const signal = AbortSignal.any([gone, world.stopped, ended.signal]);
  const session = request.session === "" ? Promise.resolve(undefined) : world.sessions.find(request.session, signal);
  session.catch(() => undefined); // asked for below
  const job = world.jobs.begin(request.ref, client, session, signal);
  const begins = (wanted: Wanted, exporters: readonly Exporter[]): void => {
    [job.outcome.attrs, job.outcome.isBuild, job.outcome.exporters] = [wanted.attrs, true, exporters];
    job.outcome.frontend = wanted.definition === undefined ? "dockerfile.v0" : "";
    job.observed = world.observer.begin(job.ref, metadata.get("traceparent"));
  };
  try {
    await session;
    refuseUnknown(request);
    job.policies = request.sourcePolicy === undefined ? [] : [readPolicy(request.sourcePolicy)];
    const asked = await whatToBuild(world, job, request);
    if (asked === undefined) {
      if (exportersOf(request).length > 0 && !job.gateway.hasAnswered)
        throw new RpcError(CODE.invalidArgument, "there is no result to export");
      return new Map();
    }
    const { wanted, exporters } = configured(asked, exportersOf(request));
    begins(wanted, exporters);
    const { entitlements, cache } = request;
    const caches = cache ?? NO_CACHES;
    const result = await buildFor(world, job, { ...wanted, exporters, entitlements, caches, given }, request.internal);
    [job.outcome.provenance, job.outcome.image] = [result.provenance ?? new Map(), result.descriptor];
    job.observed?.ended({ digest: result.digest });
    return (job.outcome.response = responseOf(result, job.outcome.cacheManifest));
  } catch (error) {
    // A result that could not be made is never handed back.
    const { first } = job.gateway;
    if (!job.outcome.isBuild && first !== undefined) begins(first, exportersOf(request));
    const failure = rpcErrorOf(gone.aborted ? new RpcError(CODE.cancelled, "context canceled") : error);
    job.outcome.error = failure.status;
    job.observed?.ended({ error: failure.status });
    throw failure;
  } finally {
    ended.abort(new RpcError(CODE.cancelled, "the build is over"));
    world.jobs.end(job, job.outcome.isBuild && !request.internal);
  }
}

/** What would be a protection and is none here. */
function refuseUnknown({ sourcePolicySession, proxyNetwork }: SolveRequest): void {
  if (sourcePolicySession !== "")
    throw new RpcError(CODE.unimplemented, "a source policy that asks the client is not supported: rules are");
  if (proxyNetwork) throw new RpcError(CODE.unimplemented, "a network of steps behind a proxy is not supported");
}

async function whatToBuild(
  world: SolveWorld,
  job: Job,
  { frontend, frontendAttrs: attrs, definition, frontendInputs: inputs }: SolveRequest,
): Promise<Wanted | undefined> {
  if (frontend !== "" || (definition !== undefined && definition.ops.length > 0))
    return wantedOf({
      ...{ frontend, attrs, inputs: await frontendInputs(world, job, inputs) },
      definition: definition && (await askedGraph(world, job, definition)),
    });
  return await job.gateway.returned(job.signal);
}

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

// A build that has ended as its record: its graph with the keys of the results, what was asked for, what came of it.

import type { EndedBuild } from "./build-recording.ts";
import type { BuildEnd } from "./build-history.ts";
import type { Withheld } from "../../attest/withheld.ts";
import { isSecretName } from "../../attest/withheld.ts";
import type { Digest } from "../../core/digest.ts";
import { VERSION } from "../../core/version.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { KeptRun } from "./failed-runs.ts";
import type { ExecOp } from "../../graph/op.ts";
import { standsOn } from "../../graph/op.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import { recordedFailure } from "./recorded-failure.ts";
import { recordedRequest, whatIsBuilt } from "./recorded-request.ts";
import type { BuildRecord, BuildStatus, KeptState, StepRecord } from "../../records/build-record.ts";
import { RECORD_FORMAT } from "../../records/build-record.ts";
import { newBuildId } from "../../records/build-records.ts";
import { ranSteps } from "../../records/timeline.ts";
import type { BuildRequest } from "../../request.ts";
import { withheldOf } from "../secrets/secret-values.ts";
import type { StepFate } from "./step-memory.ts";

/** The record; nothing secret is in it. */
export async function recordOf(
  build: EndedBuild,
  { result, failure, isCancelled, lack }: BuildEnd,
): Promise<BuildRecord> {
  const { request, recorder, solved, startedMs } = build;
  const withheld = await withheldOf(request);
  const clean = (text: string): string => withheld.scrub(text);
  const timeline = recorder.timeline.timeline(clean);
  const asked = recordedRequest(request, withheld);
  const fates = await (build.fates ?? fatesOf(build));
  const status: BuildStatus = failure === undefined ? "completed" : isCancelled === true ? "canceled" : "error";
  const kept = isCancelled === true ? undefined : solved?.failedRuns.kept;
  const failed =
    kept === undefined
      ? -1
      : topological(solved?.targets ?? []).findIndex((vertex) => vertex.digest === kept.vertex.digest);
  return {
    format: RECORD_FORMAT,
    id: newBuildId(),
    what: clean(whatIsBuilt(request)),
    startedMs,
    endedMs: request.now(),
    status,
    version: VERSION,
    request: asked,
    steps: await stepsOf(build, withheld, fates),
    timeline:
      lack === undefined ? timeline : { ...timeline, warnings: [...timeline.warnings, { message: clean(lack) }] },
    ...(result === undefined
      ? {}
      : {
          result: {
            images: result.images.map(({ platform, ...ids }) => ({ platform: formatPlatform(platform), ...ids })),
            ...(result.digest === undefined ? {} : { digest: result.digest }),
            names: result.names,
          },
        }),
    ...(failure === undefined ? {} : { failure: recordedFailure(failure, failed < 0 ? undefined : failed, clean) }),
  };
}

/** What became of the steps that ran, which are remembered; a build in which none did has nothing to remember of them. */
export async function fatesOf({ solved, request, recorder }: EndedBuild): Promise<ReadonlyMap<Digest, StepFate>> {
  const ran = ranSteps(recorder.timeline.timeline((text) => text));
  const isStep = ({ op, digest }: Vertex): boolean => op.kind !== "source" && op.kind !== "merge" && ran.has(digest);
  if (solved === undefined || !topological(solved.targets).some(isStep)) return new Map();
  const withheld = await withheldOf(request);
  const { context } = recordedRequest(request, withheld);
  const { rememberSteps } = await import("./step-memory.ts");
  return await rememberSteps({ solved, ran, request, withheld, context });
}

async function stepsOf(
  { solved, request }: EndedBuild,
  withheld: Withheld,
  fates: ReadonlyMap<Digest, StepFate>,
): Promise<StepRecord[]> {
  if (solved === undefined) return [];
  const { targets, keys, sources } = solved;
  const order = topological(targets);
  const places = new Map(order.map((vertex, place) => [vertex.digest, place]));
  const steps: StepRecord[] = [];
  for (const vertex of order) {
    const { op, options, inputs } = vertex;
    const { location } = options;
    const key = keys.get(vertex.digest);
    const step = { vertex: vertex.digest, name: options.name };
    const image =
      op.kind === "source" && op.source.type === "image" ? await sources.image(op.source.id, step, NEVER) : undefined;
    const [upon] = standsOn(op, inputs.length);
    const base = upon === undefined ? undefined : places.get(inputs[upon]?.digest ?? vertex.digest);
    const run = op.kind === "exec" ? withoutSecrets(op, options.hiddenEnv ?? [], request, withheld) : {};
    steps.push({
      vertex: vertex.digest,
      name: withheld.scrub(options.name),
      kind: op.kind,
      ...(location === undefined ? {} : { place: `${location.file}:${location.range.startLine}` }),
      inputs: inputs.map((input) => places.get(input.digest) ?? 0),
      ...(base === undefined ? {} : { base }),
      ...(key === undefined ? {} : { key }),
      ...fates.get(vertex.digest),
      ...(options.ignoreCache === true ? { noCache: true } : {}),
      ...(image === undefined ? {} : { layers: image.layers.map((layer) => layer.id) }),
      ...run,
    });
  }
  return steps;
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

/** What a failed RUN left, by the ids of layers. */
export async function keptState({ plan, rootfs }: KeptRun): Promise<KeptState> {
  const inputs: Record<number, readonly string[]> = {};
  for (const mount of plan.op.mounts) {
    const input = mount.type === "bind" || mount.type === "cache" ? plan.inputs[mount.input] : undefined;
    if (input === undefined || !("input" in mount)) continue;
    inputs[mount.input] = (await input.ref(NEVER)).layers.map((layer) => layer.id);
  }
  return { rootfs: (await rootfs.ref(NEVER)).layers.map((layer) => layer.id), inputs };
}

const NEVER = new AbortController().signal;

// Results to outputs: each `-o` in turn, images once in the store. All identities are
// validated by the assembly.

import type { ConfigDraft } from "../../core/image/image-config.ts";
import type { OutgoingFile } from "../../core/client-file.ts";
import { BuildError } from "../../core/errors.ts";
import { type Digest, digestOf } from "../../core/digest.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { Plan } from "../../dockerfile/convert/plan.ts";
import type { Engine } from "../../engine.ts";
import type { Attestation } from "../../exporter/attestations.ts";
import { exportImage } from "../../exporter/image.ts";
import { viewOf } from "../../ops/result.ts";
import type { PlatformTree } from "../../exporter/merged.ts";
import type { SourcedEntry } from "../../layer/entry.ts";
import { partsOf } from "../internal-steps.ts";
import { isMultiPlatform } from "../multi-platform.ts";
import { keepInstructionPlaces } from "../../records/instruction-places.ts";
import { registryOptions } from "../../registry-options.ts";
import type { BuildRequest, BuildResult, ExportSpec } from "../../request.ts";
import type { Ref } from "../../snapshot/ref.ts";
import type { ImageSink } from "../../transport/source.ts";

export interface Outcome {
  readonly plan: Plan;
  readonly ref: Ref;
  /** Layers from this one on have been made one. */
  readonly squashedFrom?: number;
  readonly attestations?: readonly Attestation[];
  /** Of the build's record, in no output. */
  readonly recorded?: Attestation | undefined;
  /** The records that the image's config carries, as base64. */
  readonly inlineCache?: string;
}

/** What a person knows of as an output. */
type Output = Exclude<ExportSpec, { readonly type: "look" }>;

/** Writes every output; an image result says what it is, whatever the outputs. */
export async function exportAll(
  engine: Engine,
  request: BuildRequest,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<BuildResult> {
  // One time for all outputs: it is one image.
  const createdMs = request.now();
  let result: BuildResult = { images: [], digest: undefined, descriptor: undefined, names: [], warnings: 0 };
  for (const spec of request.exports) {
    if (spec.type === "look") {
      await showFiles(spec, outcomes, signal);
      continue;
    }
    const started = request.now();
    const event = { kind: "vertex" as const, vertex: exportVertex(request, spec), name: nameOf(spec), inputs: [] };
    request.events({ ...event, started });
    try {
      const made = await exportOne(engine, request, spec, outcomes, createdMs, signal);
      // An image without a name, in a folder, takes none from the one beside it.
      if (made !== undefined) result = { ...made, names: [...new Set([...result.names, ...made.names])] };
      request.events({ ...event, started, completed: request.now() });
    } catch (error) {
      request.events({
        ...event,
        started,
        completed: request.now(),
        error: error instanceof Error ? error.message : String(error),
      });
      throw error;
    }
  }
  return { ...result, ...(await provenanceOf(outcomes, signal)) };
}

/** For whoever keeps records of builds; the layers are told in the image. */
async function provenanceOf(
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<Pick<BuildResult, "provenance">> {
  const found = new Map<string, object>();
  for (const { plan, attestations = [], recorded } of outcomes) {
    const stated = attestations.find(({ predicateType }) => predicateType.includes("slsa.dev/provenance"));
    // A record lacks one that would hold a secret: the build does not fail for it.
    const made = recorded?.predicate(undefined, signal).catch(() => undefined);
    const predicate = await (made ?? stated?.predicate(undefined, signal));
    if (predicate !== undefined) found.set(formatPlatform(plan.platform), predicate);
  }
  return found.size === 0 ? {} : { provenance: found };
}

async function showFiles(
  { look }: Extract<ExportSpec, { readonly type: "look" }>,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<void> {
  const { mergedEntries } = await import("../../exporter/merged.ts");
  // Of the result alone: what is stated about it is no file in it.
  const trees = (await treesOf(outcomes, signal)).map(({ platform, tree }) => ({ platform, tree }));
  await look(outgoing(await mergedEntries(trees, { platformSplit: outcomes.length > 1 }, signal), undefined));
}

async function treesOf(outcomes: readonly Outcome[], signal: AbortSignal): Promise<readonly PlatformTree[]> {
  return await Promise.all(
    outcomes.map(async ({ plan, ref, attestations = [] }) => ({
      platform: plan.platform,
      tree: await viewOf(ref, signal),
      attestations,
    })),
  );
}

async function exportOne(
  engine: Engine,
  request: BuildRequest,
  spec: Output,
  outcomes: readonly Outcome[],
  createdMs: number,
  signal: AbortSignal,
): Promise<BuildResult | undefined> {
  const epochSeconds = outcomes[0]?.plan.epochSeconds;
  const tell = partsOf(request, exportVertex(request, spec));
  switch (spec.type) {
    case "image":
    case "load":
    case "oci":
    case "docker": {
      const started = request.now();
      const exported = await exportImage(
        spec,
        outcomes.map(({ plan, ref, inlineCache, attestations = [] }) => ({
          platform: plan.platform,
          ref,
          draft: { ...draftOf(plan), ...(inlineCache === undefined ? {} : { inlineCache }) },
          attestations,
        })),
        {
          store: engine.store,
          createdMs,
          epochSeconds,
          asIndex: isMultiPlatform(request),
          openSink: async (repository) => {
            const { openRegistrySink } = await import("../../transport/registry/sink.ts");
            return await openRegistrySink(repository, registryOptions(request));
          },
          openDaemon: () => openDaemon(request, signal),
          workDirectory: engine.layers.place.workDirectory,
          signal,
          tell,
          onStatus: ({ digest, current, total, done }) =>
            request.events({
              kind: "status",
              vertex: exportVertex(request, spec),
              id: digest,
              name: `${spec.type === "load" ? "loading" : "pushing"} ${digest}`,
              current,
              total,
              started,
              ...(done ? { completed: request.now() } : {}),
            }),
        },
      );
      for (const [at, { imageId }] of exported.images.entries()) {
        const places = outcomes[at]?.plan.history.map(({ place }) => place) ?? [];
        await keepInstructionPlaces(engine.store.layoutPath, imageId, places);
      }
      if (exported.isOnlyStored) {
        const message =
          "there is no docker daemon here to load the image into: it is in the local store (tsbuild images)";
        request.events({ kind: "warning", message });
      }
      const images = exported.images.map((image) => ({
        platform: image.platform,
        imageId: image.imageId,
        manifestDigest: image.descriptor.digest,
      }));
      return {
        images,
        digest: exported.descriptor.digest,
        descriptor: exported.descriptor,
        names: exported.names,
        warnings: 0,
      };
    }
    case "local":
    case "client":
    case "tar": {
      const { exportLocal } = await import("../../exporter/local.ts");
      const { exportTar } = await import("../../exporter/tar.ts");
      const trees = await treesOf(outcomes, signal);
      const split = spec.platformSplit ?? isMultiPlatform(request);
      const timeMs = epochSeconds === undefined ? createdMs : epochSeconds * 1000;
      const statements = { prefix: spec.attestationPrefix ?? "", timeMs };
      if (spec.type === "tar") {
        const { destination } = spec;
        const { jobs, layers } = engine;
        const options = {
          destination,
          platformSplit: split,
          jobs,
          workDirectory: layers.place.workDirectory,
          epochSeconds,
          statements,
        };
        await tell("sending tarball", () => exportTar(trees, options, signal));
        return undefined;
      }
      if (spec.type === "client") {
        const { mergedEntries } = await import("../../exporter/merged.ts");
        const entries = await mergedEntries(trees, { platformSplit: split, statements }, signal);
        await tell("copying files", () => spec.folder.write(outgoing(entries, epochSeconds)));
        return undefined;
      }
      const { path, deleteExtra } = spec;
      const options = {
        path,
        deleteExtra,
        platformSplit: split,
        privileged: engine.privileged,
        epochSeconds,
        statements,
      };
      const { skipped } = await tell(
        "copying files",
        () => exportLocal(trees, options, signal),
        ({ sizeBytes }) => sizeBytes,
      );
      if (skipped.length > 0)
        request.events({
          kind: "warning",
          message: `left out of "${spec.path}": device nodes that only root can make (${skipped.join(", ")})`,
        });
      return undefined;
    }
    case "cacheonly":
      return undefined;
  }
}

async function openDaemon(request: BuildRequest, signal: AbortSignal): Promise<ImageSink | undefined> {
  const endpoint = await request.session.dockerDaemon?.();
  if (endpoint?.isThere !== true) return undefined;
  const { openDaemonSink } = await import("../../transport/docker-daemon/sink.ts");
  return await openDaemonSink(endpoint, signal);
}

/** No file is younger than SOURCE_DATE_EPOCH says. */
function outgoing(entries: readonly SourcedEntry[], epochSeconds: number | undefined): readonly OutgoingFile[] {
  const latest = epochSeconds === undefined ? undefined : BigInt(epochSeconds) * 1_000_000_000n;
  return entries.map(({ entry, source }) => {
    const { type } = entry;
    if (type === "whiteout" || type === "opaque") throw new BuildError("INTERNAL", `a merged tree holds a ${type}`);
    const mtimeNs = latest !== undefined && entry.mtimeNs > latest ? latest : entry.mtimeNs;
    return { file: { ...entry, type, mtimeNs }, ...(source && { source }) };
  });
}

function exportVertex(request: BuildRequest, spec: Output): Digest {
  return digestOf(`export ${spec.type} ${request.exports.indexOf(spec)}`);
}

function nameOf(spec: Output): string {
  switch (spec.type) {
    case "image":
      return "exporting to image";
    case "load":
      return "exporting to docker";
    case "oci":
      return "exporting to oci image format";
    case "docker":
      return "exporting to docker image format";
    case "local":
    case "client":
      return "exporting to client directory";
    case "tar":
      return "exporting to client tarball";
    case "cacheonly":
      return "exporting cache only";
  }
}

function draftOf(plan: Plan): ConfigDraft {
  const { platform, config, history } = plan;
  return {
    architecture: platform.architecture,
    os: platform.os,
    config,
    history,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(plan.author === undefined ? {} : { author: plan.author }),
    ...(plan.osVersion === undefined ? {} : { osVersion: plan.osVersion }),
    ...(plan.osFeatures === undefined ? {} : { osFeatures: plan.osFeatures }),
  };
}

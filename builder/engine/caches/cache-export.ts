// What a build knows, written where other builds find it (--cache-to): its records under BuildKit's keys, and the layers
// of its steps. Layers that the place has already are neither fetched nor sent.

import type { BucketCache, CacheLook, CacheTo } from "../../cache-request.ts";
import type { VertexKeys } from "../../cache/buildkit/vertex-keys.ts";
import { layerAnnotations } from "../../cache/remote/annotations.ts";
import type { ItemResult } from "../../cache/remote/collector.ts";
import { Collector } from "../../cache/remote/collector.ts";
import type { CacheConfig } from "../../cache/remote/config.ts";
import { writeCache } from "../../cache/remote/document.ts";
import { collectRecords } from "../../cache/remote/export-records.ts";
import { openLayoutFolder } from "../../cache/remote/layout-folder.ts";
import { formatTime } from "../../core/clock.ts";
import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { asBuildError, BuildError } from "../../core/errors.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { TellPart } from "../../core/events.ts";
import type { Engine } from "../../engine.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { partsOf, told } from "../internal-steps.ts";
import type { OutputGuard } from "../secrets/output-guard.ts";
import type { NamedCache } from "./mount-export.ts";
import { nameOfBucket, openBucket } from "./open-bucket.ts";
import type { OpResult } from "../../ops/result.ts";
import { RefResult } from "../../ops/result.ts";
import { registryOptions } from "../../registry-options.ts";
import type { BuildRequest } from "../../request.ts";
import type { BlobOptions, Ref, StoredLayer } from "../../snapshot/ref.ts";
import { isForm } from "../../snapshot/stored-layer.ts";
import { inParallel } from "../../transport/pull.ts";
import type { ImageSink } from "../../transport/source.ts";

/** A build that was solved. */
export interface SolvedBuild {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly keys: VertexKeys;
  readonly targets: readonly Vertex[];
  /** Of the targets' images. */
  readonly refs: readonly Ref[];
  /** A vertex's result, if it is known; runs nothing. */
  readonly known: (vertex: Vertex) => Promise<OpResult | undefined>;
  /** Refuses layers that hold a secret. */
  readonly guard?: Pick<OutputGuard, "checkLayer" | "beginMount"> | undefined;
  /** How the blobs of the build are made. */
  readonly blobs: BlobOptions;
  readonly signal: AbortSignal;
}

type ImageCache = Extract<CacheTo, { readonly type: "registry" | "local" | "client" }>;
type PlacedCache = Exclude<CacheTo, { readonly type: "inline" }>;

/** The records, and what layers they name. */
interface Collected {
  readonly config: CacheConfig;
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  /** The bytes of a layer; made when they are asked for. */
  readonly open: (blob: Descriptor) => Promise<() => AsyncIterable<Uint8Array>>;
}

/** Writes every cache that is asked for. One that cannot be written is a warning, unless `ignoreError` says otherwise. */
export async function exportCaches(build: SolvedBuild): Promise<void> {
  const { request } = build;
  for (const [number, spec] of (request.cacheTo ?? []).entries()) {
    if (spec.type === "inline") continue;
    const vertex = digestOf(`export cache ${number}`);
    await tolerated(build, spec, "the cache was", () =>
      told(request, NAMES[spec.type], () => exportCache(build, spec, vertex), vertex),
    );
    if (spec.type !== "client" && spec.mounts === "max")
      await tolerated(build, spec, "the cache mounts were", () => sendMounts(build, spec, number));
  }
}

async function tolerated(
  { request, signal }: SolvedBuild,
  spec: PlacedCache,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!spec.ignoreError || (error instanceof BuildError && error.code === "SECRET_IN_RESULT")) throw error;
    const message = `${what} not written to ${placeOf(spec)}: ${asBuildError(error).message}`;
    request.events({ kind: "warning", message });
  }
}

async function sendMounts(build: SolvedBuild, spec: NamedCache, number: number): Promise<void> {
  const { request } = build;
  const { exportMounts } = await import("./mount-export.ts");
  const vertex = digestOf(`export cache mounts ${number}`);
  await told(
    request,
    NAMES[spec.type].replace(/^exporting( cache)?/, "exporting cache mounts"),
    async () => {
      await using sink = isImageCache(spec) ? await openSink(spec, request) : await openBucketSink(spec, request);
      await exportMounts(build, spec, sink, partsOf(request, vertex));
    },
    vertex,
  );
}

async function exportCache(build: SolvedBuild, spec: PlacedCache, vertex: Digest): Promise<void> {
  const tell = partsOf(build.request, vertex);
  const collected = await tell("preparing build cache for export", () => collect(build, spec));
  if (collected.config.layers.length === 0) {
    await tell("skipping cache export for empty result", () => Promise.resolve());
    return;
  }
  if (isImageCache(spec)) await writeImage(build, spec, collected, tell);
  else await writeBucket(build, spec, collected, tell);
}

async function collect(build: SolvedBuild, spec: PlacedCache): Promise<Collected> {
  const { engine, signal } = build;
  const layers = new Map<Digest, StoredLayer>();
  const options = isImageCache(spec) ? optionsOf(build.blobs, spec) : build.blobs;
  const collector = new Collector();
  const world = {
    tree: async (of: Vertex) => await (await build.known(of))?.tree(signal),
    result: async (of: Vertex) => {
      await checkSecrets(build, of);
      return await resultOf(build, of, spec.mode, (layer) => describe(layer));
    },
  };
  await collectRecords(build.targets, build.keys, world, collector, signal);
  const open = async (blob: Descriptor): Promise<() => AsyncIterable<Uint8Array>> => {
    await layers.get(blob.digest)?.blob(options, signal);
    return () => engine.store.open(blob.digest, signal);
  };
  return { ...collector.finish(), open };

  async function describe(layer: StoredLayer): Promise<Descriptor> {
    const blob = layer.knownBlob(options) ?? (await layer.blob(options, signal));
    const form = layer.knownBlob(options)?.variant;
    const { mediaType, digest, size } = blob.descriptor;
    layers.set(digest, layer);
    const createdAt = layer.createdMs === undefined ? undefined : formatTime(layer.createdMs);
    const facts = { diffId: blob.diffId, createdAt, form: form !== undefined && isForm(form) ? form : undefined };
    return { mediaType, digest, size, annotations: layerAnnotations(facts) };
  }
}

/** As a manifest or an index with its blobs. */
async function writeImage(
  { engine, request, signal }: SolvedBuild,
  spec: ImageCache,
  { config, blobs, open }: Collected,
  tell: TellPart,
): Promise<void> {
  const written = writeCache(config, blobs, spec);
  await using sink = await openSink(spec, request);
  await inParallel([...blobs.values()], 4, async (blob) => {
    await tell(`writing layer ${blob.digest}`, async () => {
      if (await sink.has(blob, signal)) return;
      await sink.putBlob(blob, await open(blob), signal, engine.store.notes);
    });
  });
  await tell(`writing config ${written.config.descriptor.digest}`, async () => {
    if (await sink.has(written.config.descriptor, signal)) return;
    await sink.putBlob(written.config.descriptor, () => oneChunk(written.config.bytes), signal);
  });
  const { descriptor, bytes } = written.manifest;
  const kind = spec.imageManifest ? "cache image manifest" : "cache manifest";
  await tell(`writing ${kind} ${descriptor.digest}`, () => sink.putDocument(descriptor, bytes, tagsOf(spec), signal));
  if (spec.type === "client") spec.onWritten(descriptor);
}

/** As a document with its blobs, which comes last: what it names is there. */
async function writeBucket(
  { request, signal }: SolvedBuild,
  spec: Exclude<PlacedCache, ImageCache>,
  { config, blobs, open }: Collected,
  tell: TellPart,
): Promise<void> {
  const { bucketDocument } = await import("../../cache/buckets/bucket.ts");
  await using bucket = await openBucket(spec, request);
  await inParallel([...blobs.values()], spec.layersAtOnce, async (blob) => {
    if (await bucket.has(blob, signal)) return;
    await tell(`writing layer ${blob.digest}`, async () => await bucket.putBlob(blob, await open(blob), signal));
  });
  const document = bucketDocument(config, blobs);
  await tell(`writing cache document ${digestOf(document)}`, () => bucket.putDocument(document, signal));
}

function isImageCache(spec: PlacedCache): spec is ImageCache {
  return spec.type === "registry" || spec.type === "local" || spec.type === "client";
}

/** What a step added is looked through where it was made; what came with a cache went through there. */
async function checkSecrets({ guard, known, signal }: SolvedBuild, vertex: Vertex): Promise<void> {
  const result = guard === undefined ? undefined : await known(vertex);
  const top = result instanceof RefResult ? result.layers.at(-1) : undefined;
  if (top?.createdMs !== undefined && (await top.isHere())) await guard?.checkLayer(top, vertex.options.name, signal);
}

/** The layers of a vertex that travel: with "min" only what the images are made of. */
export async function resultOf<T extends Descriptor>(
  { known, refs }: Pick<SolvedBuild, "known" | "refs">,
  vertex: Vertex,
  mode: "min" | "max",
  describe: (layer: StoredLayer) => Promise<T>,
): Promise<ItemResult | undefined> {
  const result = await known(vertex);
  if (!(result instanceof RefResult)) return undefined;
  const { layers } = result;
  const top = layers.at(-1);
  const inImages = new Set(refs.flatMap((ref) => ref.layers.map(({ id }) => id)));
  if (top === undefined || (mode === "min" && !layers.every(({ id }) => inImages.has(id)))) return undefined;
  return {
    layers: await Promise.all(layers.map(describe)),
    createdAt: formatTime(top.createdMs ?? 0),
  };
}

async function openSink(spec: ImageCache, request: BuildRequest): Promise<ImageSink> {
  if (spec.type === "local") return await openLayoutFolder(spec.path);
  if (spec.type === "client") {
    const { openClientSink } = await import("../../transport/client-store.ts");
    return openClientSink(spec.store, placeOf(spec));
  }
  const { openRegistrySink } = await import("../../transport/registry/sink.ts");
  const { tag: _tag, digest: _digest, ...repository } = parseReference(spec.reference);
  return await openRegistrySink(formatReference(repository), registryOptions(request));
}

/** Of the mounts beside a cache in a bucket. */
async function openBucketSink(spec: BucketCache, request: BuildRequest): Promise<ImageSink> {
  const { bucketSink } = await import("../../cache/mounts/in-bucket.ts");
  const { bucketBeside } = await import("./mount-places.ts");
  return bucketSink(await openBucket(bucketBeside(spec), request));
}

/** As the build makes its blobs, unless the cache's own compression was named. */
function optionsOf(blobs: BlobOptions, { compression, level, forceCompression }: CacheLook): BlobOptions {
  if (compression === undefined) return { ...blobs, force: forceCompression };
  const { maxMtimeNs } = blobs;
  return {
    compression,
    ...(level === undefined ? {} : { level }),
    ...(maxMtimeNs === undefined ? {} : { maxMtimeNs }),
    force: forceCompression,
  };
}

/** A client names what it has itself. */
function tagsOf(spec: ImageCache): readonly string[] {
  if (spec.type === "client") return [];
  return [(spec.type === "local" ? spec.tag : parseReference(spec.reference).tag) ?? "latest"];
}

/** BuildKit's words, which clients look for. */
const NAMES: Readonly<Record<PlacedCache["type"], string>> = {
  registry: "exporting cache to registry",
  local: "exporting cache to client directory",
  client: "exporting cache to client directory",
  s3: "exporting cache to Amazon S3",
  azblob: "exporting cache to Azure Blob Storage",
  gha: "exporting to GitHub Actions Cache",
};

function placeOf(spec: PlacedCache): string {
  if (!isImageCache(spec)) return nameOfBucket(spec);
  if (spec.type === "client") return "the client's directory";
  return spec.type === "local" ? `"${spec.path}"` : spec.reference;
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

// From the results of a build to an image in the store: layers as blobs, config and
// manifest of each platform, an index over several, and all of it validated.

import type { CompressionOptions } from "../layer/jobs/jobs.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { TellPart } from "../core/events.ts";
import type { ConfigDraft } from "../core/image/image-config.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform } from "../core/image/platform.ts";
import { assembleConfig, configDescriptor } from "../image/config.ts";
import type { AttestationForm } from "../image/attestation.ts";
import { assembleIndex } from "../image/index.ts";
import type { Annotations, Document, MediaFamily } from "../image/manifest.ts";
import { assembleManifest } from "../image/manifest.ts";
import type { ValidImage } from "../image/validate.ts";
import { validateImage } from "../image/validate.ts";
import type { BlobOptions, LayerBlob, Ref } from "../snapshot/ref.ts";
import type { BlobStore } from "../store/store.ts";
import type { AttachedStatements, Attestation } from "./attestations.ts";

/** What the build made for one platform. */
export interface PlatformResult {
  readonly platform: Platform;
  readonly ref: Ref;
  readonly draft: ConfigDraft;
  readonly attestations?: readonly Attestation[];
}

/** How layers and manifests of an image look (as the request has it). */
export interface ImageLook {
  readonly mediaTypes: MediaFamily;
  readonly compression: CompressionOptions["compression"];
  readonly level?: number;
  readonly encoder?: "native" | "portable";
  readonly forceCompression: boolean;
  /** Also an image of one platform stands in an index. */
  readonly asIndex?: boolean | undefined;
  /** How attestations are written; default "artifact". */
  readonly attestationForm?: AttestationForm;
  readonly annotations: readonly {
    readonly place: "manifest" | "manifest-descriptor" | "index" | "index-descriptor";
    readonly platform: string;
    readonly key: string;
    readonly value: string;
  }[];
}

/** When the image was made: `epochSeconds` (SOURCE_DATE_EPOCH) counts before `createdMs`. */
export interface BuildTime {
  readonly createdMs: number;
  readonly epochSeconds?: number | undefined;
}

/** A whole image in the store, not yet under a name. */
export interface AssembledImage {
  /** What names point to: the manifest, or the index of several platforms. Its annotations are those for index.json. */
  readonly top: Document;
  readonly images: readonly ValidImage[];
  readonly manifests: readonly Document[];
  /** What is stated of the images: in the index after them. */
  readonly statements: readonly AttachedStatements[];
  readonly family: MediaFamily;
}

/** Makes the blobs that are still missing and stores every document; `names` are what statements call the image. Throws `ARCHIVE_INVALID` when an identity does not hold. */
export async function assembleImage(
  results: readonly PlatformResult[],
  names: readonly string[],
  look: ImageLook,
  time: BuildTime,
  store: BlobStore,
  signal: AbortSignal,
  tell: TellPart = (_, work) => work(),
): Promise<AssembledImage> {
  const [first] = results;
  if (first === undefined) throw new BuildError("INTERNAL", "there is no result to make an image of");
  const hasStatements = results.some(({ attestations = [] }) => attestations.length > 0);
  const hasIndex = results.length > 1 || hasStatements || look.asIndex === true;
  if (!hasIndex && look.annotations.some(({ place }) => place.startsWith("index"))) {
    throw new BuildError("USAGE", "there is no index to annotate: the image has one platform", {
      hint: "annotate the manifest",
    });
  }
  const family = familyFor(look, hasStatements);
  const options = blobOptions(look, time.epochSeconds);
  const layers = await tell("exporting layers", () =>
    Promise.all(results.map(({ ref }) => Promise.all(ref.layers.map((layer) => layer.blob(options, signal))))),
  );
  const made = await Promise.all(
    results.map((result, at) => assemblePlatform(result, layers[at] ?? [], look, family, time, store, signal, tell)),
  );
  const manifests = made.map(({ document }) => document);
  const statements: AttachedStatements[] = [];
  for (const [at, { platform, attestations = [] }] of results.entries()) {
    const image = made[at]?.image;
    if (image === undefined || attestations.length === 0) continue;
    const { attach } = await import("./attestations.ts");
    const options = { names, platform, form: look.attestationForm ?? "artifact", store, signal, tell };
    statements.push(await attach(attestations, image.descriptor, image.manifest.layers, options));
  }
  const top = hasIndex
    ? assembleIndex(
        [...manifests, ...statements.map(({ document }) => document)].map(({ descriptor }) => descriptor),
        family,
        annotationsFor(look, "index"),
      )
    : (manifests[0] as Document); // there is a first result
  if (hasIndex) await tell(`exporting manifest list ${top.descriptor.digest}`, () => store.put(top.bytes));
  const placed = hasIndex ? annotationsFor(look, "index-descriptor") : (top.descriptor.annotations ?? {});
  const descriptor: Descriptor = {
    ...top.descriptor,
    ...(Object.keys(placed).length === 0 ? {} : { annotations: placed }),
  };
  const images = made.map(({ image }) => image);
  return { top: { bytes: top.bytes, descriptor }, images, manifests, statements, family };
}

// Docker's manifests hold neither annotations, zstd layers nor attestations: as BuildKit does, OCI types are taken then.
function familyFor(look: ImageLook, hasStatements: boolean): MediaFamily {
  const needsOci = hasStatements || look.annotations.length > 0 || look.compression === "zstd";
  return needsOci ? "oci" : look.mediaTypes;
}

async function assemblePlatform(
  { platform, ref, draft }: PlatformResult,
  layers: readonly LayerBlob[],
  look: ImageLook,
  family: MediaFamily,
  time: BuildTime,
  store: BlobStore,
  signal: AbortSignal,
  tell: TellPart,
): Promise<{ readonly document: Document; readonly image: ValidImage }> {
  const config = assembleConfig(
    draft,
    layers.map(({ diffId }, at) => ({ diffId, createdMs: ref.layers[at]?.createdMs })),
    time.createdMs,
    time.epochSeconds,
  );
  const configBlob = configDescriptor(config, family);
  await tell(`exporting config ${configBlob.digest}`, () => store.put(config.bytes));
  const name = formatPlatform(platform);
  const manifest = assembleManifest(
    configBlob,
    layers.map((layer) => manifestLayer(layer)),
    family,
    annotationsFor(look, "manifest", name),
  );
  await tell(`exporting manifest ${manifest.descriptor.digest}`, () => store.put(manifest.bytes));
  const annotations = annotationsFor(look, "manifest-descriptor", name);
  const descriptor: Descriptor = {
    ...manifest.descriptor,
    platform,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const diffIds = new Map<Digest, Digest>(layers.map((layer) => [layer.descriptor.digest, layer.diffId]));
  const image = await validateImage(descriptor, store, { layers: "present", diffIds, signal });
  return { document: { bytes: manifest.bytes, descriptor }, image };
}

/** What to ask of a layer: times later than the epoch are lowered, a base's blobs stay as they are unless forced. */
function blobOptions(look: ImageLook, epochSeconds: number | undefined): BlobOptions {
  const { compression, level, encoder, forceCompression } = look;
  return {
    compression,
    ...(level === undefined ? {} : { level }),
    ...(encoder === undefined ? {} : { encoder }),
    ...(epochSeconds === undefined ? {} : { maxMtimeNs: BigInt(epochSeconds) * 1_000_000_000n }),
    force: forceCompression,
  };
}

// Annotations of a base's layer descriptor (estargz and the like) belong to its blob and stay; a platform does not.
function manifestLayer({ descriptor }: LayerBlob): Descriptor {
  const { mediaType, digest, size, annotations } = descriptor;
  return { mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) };
}

function annotationsFor(
  look: ImageLook,
  place: ImageLook["annotations"][number]["place"],
  platform?: string,
): Annotations {
  const fitting = look.annotations.filter(
    (one) => one.place === place && (one.platform === "" || platform === undefined || one.platform === platform),
  );
  return Object.fromEntries(fitting.map(({ key, value }) => [key, value]));
}

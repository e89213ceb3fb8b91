// The ids of an image side by side, each with the rule it follows, and whether the bytes keep it: everything is read and
// hashed for this.

import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { digestOf } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import { chainIds } from "./image/chain-id.ts";
import { layerInstructions } from "./image/history.ts";
import type { MeasuredBlob } from "./layer/measure.ts";
import { measureBlob } from "./layer/measure.ts";
import type { PlatformImage } from "./open-image.ts";
import { inParallel } from "./transport/pull.ts";

/** One identity. */
export interface Identity {
  readonly kind: "image id" | "image digest" | "index digest" | "diff_id" | "layer digest" | "chain id";
  /** As the image has it. */
  readonly digest: Digest;
  readonly rule: string;
  readonly isVerified: boolean;
  /** What was found instead. */
  readonly found?: string;
}

export interface LayerIdentities {
  readonly diffId: Identity;
  readonly digest: Identity;
  readonly chainId: Identity;
  /** Of the blob, and of the tar in it, in bytes, as found. */
  readonly compressedSize: number;
  readonly uncompressedSize: number;
  readonly instruction: string | undefined;
}

export interface ImageIdentities {
  readonly imageId: Identity;
  readonly imageDigest: Identity;
  readonly indexDigest: Identity | undefined;
  /** Bottom first. */
  readonly layers: readonly LayerIdentities[];
}

const RULES: Readonly<Record<Identity["kind"], string>> = {
  "image id": "sha256 of the config",
  "image digest": "sha256 of the manifest",
  "index digest": "sha256 of the index",
  diff_id: "sha256 of the layer's tar, uncompressed",
  "layer digest": "sha256 of the layer's blob, as it is stored and sent",
  "chain id": 'the lowest diff_id; above it sha256 of "<chain id below> <diff_id>"',
};

/** Layers read at the same time. */
const LAYERS_AT_ONCE = 2;

/** Reads and hashes all of an image. Throws `UNSUPPORTED` for what is no image, `ARCHIVE_INVALID` when layers and diff_ids do not pair. */
export async function identifyImage(image: PlatformImage, signal: AbortSignal): Promise<ImageIdentities> {
  const { opened, config } = image;
  const { manifest, descriptor, bytes } = image.manifest;
  if (config === undefined)
    throw new BuildError(
      "UNSUPPORTED",
      `${opened.name} is no container image: its config is "${manifest.config.mediaType}"`,
    );
  const diffIds = config.config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `${opened.name}: the manifest has ${manifest.layers.length} layers, the config ${diffIds.length} diff_ids`,
      { hint: "`tsbuild validate` checks each part by itself" },
    );
  }
  const measured: MeasuredBlob[] = [];
  await inParallel([...manifest.layers.entries()], LAYERS_AT_ONCE, async ([at, layer]) => {
    measured[at] = await measureBlob(opened.source.blob(layer, signal), signal);
  });
  const instructions = layerInstructions(config.config);
  const chain = chainIds(diffIds);
  const realChain = chainIds(wholeOnes(measured));
  const { top } = opened;
  return {
    imageId: identity("image id", manifest.config.digest, digestOf(config.bytes)),
    imageDigest: identity("image digest", descriptor.digest, digestOf(bytes)),
    indexDigest:
      top.document.kind === "index" ? identity("index digest", top.descriptor.digest, digestOf(top.bytes)) : undefined,
    layers: measured.map((blob, at) => ({
      // As many as there are layers, each of them.
      digest: identity("layer digest", (manifest.layers[at] as Descriptor).digest, blob.digest),
      diffId: identity("diff_id", diffIds[at] as Digest, blob.diffId, blob.fault),
      chainId: identity("chain id", chain[at] as Digest, realChain[at], "a diff_id below it is not verified"),
      compressedSize: blob.size,
      uncompressedSize: blob.uncompressedSize,
      instruction: instructions[at],
    })),
  };
}

/** The diff_ids from the bottom up to the first layer that could not be unpacked. */
function wholeOnes(measured: readonly MeasuredBlob[]): Digest[] {
  const broken = measured.findIndex(({ diffId }) => diffId === undefined);
  return measured.slice(0, broken < 0 ? measured.length : broken).flatMap(({ diffId }) => diffId ?? []);
}

/** `real` is what the bytes have; without one `why` says why not. */
function identity(kind: Identity["kind"], digest: Digest, real: Digest | undefined, why = "nothing"): Identity {
  const isVerified = real === digest;
  return { kind, digest, rule: RULES[kind], isVerified, ...(isVerified ? {} : { found: real ?? why }) };
}

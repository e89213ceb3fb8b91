// What becomes of an image on its way: which family its manifest has at the destination,
// and in which form each layer arrives. Pure: nothing is read or written here.

import type { Compression, Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf } from "../../core/image/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import { familyOf, lostIn } from "../../image/convert.ts";
import type { ImageManifest, MediaFamily } from "../../image/manifest.ts";
import type { CompressionOptions } from "../../layer/jobs/jobs.ts";
import type { SinkForms } from "../source.ts";

/** A compression that was asked for. */
export interface WantedCompression extends CompressionOptions {
  /** Which layers get it: all, those that have another one, those that have none; or none at all, also where the place would rather have it. */
  readonly applies: "all" | "others" | "uncompressed" | "none";
}

/** What was asked for. */
export interface CopyWishes {
  readonly family: MediaFamily | undefined;
  readonly compression: WantedCompression | undefined;
  /** No digest may change: what would need it is an error. */
  readonly preserveDigests: boolean;
}

/** One image's way. */
export interface ImagePlan {
  readonly family: MediaFamily;
  /** For each layer the form it gets, or undefined where its bytes stay. */
  readonly layers: readonly (CompressionOptions | undefined)[];
  /** Whether the manifest stays as it is, byte for byte. */
  readonly isVerbatim: boolean;
  /** Why it does not; for people, one line each. */
  readonly reasons: readonly string[];
}

/** Plans an image. Throws `USAGE` for wishes that contradict each other or the place, `UNSUPPORTED` for layers that no place can hold. */
export function planImage(
  manifest: ImageManifest,
  isDerived: boolean,
  forms: SinkForms,
  wishes: CopyWishes,
  names: { readonly source: string; readonly sink: string },
): ImagePlan {
  for (const layer of manifest.layers) refuseUnknown(layer, names.source);
  const layers = manifest.layers.map((layer) => layerForm(layer, isDerived, forms, wishes));
  const results = manifest.layers.map((layer, place) => layers[place]?.compression ?? compressionOf(layer.mediaType));
  const family = chooseFamily(manifest, isDerived, results.includes("zstd"), forms, wishes, names.sink);
  const own = familyOf(manifest.mediaType);
  const changed = [...new Set(layers.filter((form) => form !== undefined).map(({ compression }) => compression))];
  const reasons = [
    ...(family === own ? [] : [`${FAMILY_NAMES[own]} becomes ${FAMILY_NAMES[family]}`, ...lostIn(family, manifest)]),
    ...changed.map((compression) =>
      compression === "uncompressed" ? "layers are uncompressed" : `layers are compressed with ${compression}`,
    ),
  ];
  return { family, layers, isVerbatim: reasons.length === 0, reasons };
}

/** As people call them. */
export const FAMILY_NAMES: Readonly<Record<MediaFamily, string>> = { oci: "OCI", docker: "Docker schema 2" };

/** The family that a document becomes at a place: its own where it can be held there and nobody asked for another. */
export function sinkFamily(own: MediaFamily, isDerived: boolean, forms: SinkForms, wishes: CopyWishes): MediaFamily {
  const { family, preserveDigests } = wishes;
  if (family !== undefined) return family;
  if (preserveDigests && forms.tolerated === own) return own;
  if (forms.families.includes(own) && !isDerived) return own;
  return forms.families[0] ?? own;
}

function refuseUnknown({ mediaType, digest }: Descriptor, sourceName: string): void {
  if (compressionOf(mediaType) !== undefined) return;
  const what = /foreign|nondistributable/.test(mediaType)
    ? "is foreign: its bytes are not with the image"
    : `has the media type "${mediaType}", which is not known`;
  throw new BuildError("UNSUPPORTED", `layer ${digest} of ${sourceName} ${what}`);
}

function layerForm(
  layer: Descriptor,
  isDerived: boolean,
  forms: SinkForms,
  { compression: wanted }: CopyWishes,
): CompressionOptions | undefined {
  const has = compressionOf(layer.mediaType) ?? "uncompressed"; // it is known
  const form = wantedForm(has, isDerived, forms, wanted);
  const result = form?.compression ?? has;
  if (forms.compressions.includes(result)) return form;
  return { compression: forms.compressions[0] ?? result };
}

function wantedForm(
  has: Compression,
  isDerived: boolean,
  forms: SinkForms,
  wanted: WantedCompression | undefined,
): CompressionOptions | undefined {
  if (wanted !== undefined) {
    const { applies, ...form } = wanted;
    if (applies === "all" || (applies === "others" && has !== form.compression)) return form;
    if (applies === "uncompressed" && has === "uncompressed") return form;
  }
  const isPreferred = isDerived && has === "uncompressed" && forms.preferred !== undefined && wanted === undefined;
  return isPreferred ? { compression: forms.preferred ?? has } : undefined;
}

function chooseFamily(
  manifest: ImageManifest,
  isDerived: boolean,
  hasZstd: boolean,
  forms: SinkForms,
  wishes: CopyWishes,
  sinkName: string,
): MediaFamily {
  const family = sinkFamily(familyOf(manifest.mediaType), isDerived, forms, wishes);
  if (!forms.families.includes(family) && forms.tolerated !== family && forms.keepsManifest)
    throw new BuildError("USAGE", `${sinkName} does not hold ${FAMILY_NAMES[family]}`);
  if (family !== "docker" || !hasZstd || familyOf(manifest.mediaType) === "docker") return family;
  if (wishes.family === "docker" || !forms.families.includes("oci")) {
    throw new BuildError("USAGE", "Docker schema 2 has no zstd layers", {
      hint: "compress them with gzip (--dest-compress-format gzip), or leave the image as OCI",
    });
  }
  return "oci";
}

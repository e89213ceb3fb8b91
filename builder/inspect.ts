// What an image says of itself: its manifest, its config, and the index that lists it, with what else is in there.

import type { Descriptor } from "./core/image/descriptor.ts";
import { MEDIA } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageConfig } from "./core/image/image-config.ts";
import type { Platform } from "./core/image/platform.ts";
import { layerInstructions } from "./image/history.ts";
import { attestedBy, isAttestation } from "./image/index.ts";
import type { ImageManifest } from "./image/manifest.ts";
import { platformOf } from "./image/read.ts";
import type { OpenedDocument, OpenedImage, PlatformImage } from "./open-image.ts";
import { imageFor, readDocument } from "./open-image.ts";

/** An entry of an index. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly kind: "image" | "index" | "attestation" | "artifact";
  /** Of an attestation: the manifest it is about. */
  readonly about?: string;
  /** Of an attestation: types of its statements, as "https://slsa.dev/provenance/v1". */
  readonly predicates?: readonly string[];
  /** False: only the name is there (a store holds the platforms that somebody wanted). Not asked of registries. */
  readonly isPresent: boolean;
}

export interface InspectedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest | undefined;
  readonly instruction: string | undefined;
}

/** The image of one platform. */
export interface InspectedImage {
  readonly manifest: OpenedDocument & { readonly manifest: ImageManifest };
  /** Undefined of an artifact. */
  readonly config: ImageConfig | undefined;
  readonly configBytes: Uint8Array | undefined;
  readonly platform: Platform | undefined;
  /** Manifest, config and layers as they are stored and sent. */
  readonly sizeBytes: number;
  readonly layers: readonly InspectedLayer[];
}

export interface Inspection {
  readonly opened: OpenedImage;
  /** When the name points to one. */
  readonly index: { readonly document: OpenedDocument; readonly entries: readonly IndexEntry[] } | undefined;
  /** Undefined when no platform was asked for and the index has none for this machine. */
  readonly image: InspectedImage | undefined;
}

/** Looks at an image; reads no layer. Throws `INPUT_MISSING` when the platform asked for is not there. */
export async function inspectImage(
  opened: OpenedImage,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<Inspection> {
  const { top } = opened;
  const entries =
    top.document.kind === "index"
      ? await Promise.all(top.document.index.manifests.map((entry) => inspectEntry(opened, entry, signal)))
      : undefined;
  const index = entries && { document: top, entries };
  try {
    return { opened, index, image: describe(await imageFor(opened, platform, signal)) };
  } catch (error) {
    const mayLack = index !== undefined && platform === undefined;
    if (mayLack && error instanceof BuildError && error.code === "INPUT_MISSING")
      return { opened, index, image: undefined };
    throw error;
  }
}

function describe(image: PlatformImage): InspectedImage {
  const { manifest } = image.manifest;
  const config = image.config?.config;
  const diffIds = config?.rootfs.diff_ids ?? [];
  const instructions = config === undefined ? [] : layerInstructions(config);
  return {
    manifest: image.manifest,
    config,
    configBytes: image.config?.bytes,
    platform: config && platformOf(config),
    sizeBytes: manifest.layers.reduce(
      (sum, layer) => sum + layer.size,
      image.manifest.descriptor.size + manifest.config.size,
    ),
    layers: manifest.layers.map((descriptor, at) => ({
      descriptor,
      diffId: diffIds[at],
      instruction: instructions[at],
    })),
  };
}

const PREDICATE_TYPE = "in-toto.io/predicate-type";

async function inspectEntry(opened: OpenedImage, descriptor: Descriptor, signal: AbortSignal): Promise<IndexEntry> {
  const kind = kindOf(descriptor);
  // The types of an attestation's statements stand in its manifest.
  const document =
    opened.isRemote && kind !== "attestation" ? "not asked" : await readIfThere(opened, descriptor, signal);
  const isPresent = document !== undefined;
  if (kind !== "attestation") return { descriptor, kind, isPresent };
  const about = attestedBy(descriptor);
  return {
    descriptor,
    kind,
    ...(about === undefined ? {} : { about }),
    predicates: typeof document === "object" ? predicatesOf(document) : [],
    isPresent,
  };
}

function kindOf(descriptor: Descriptor): IndexEntry["kind"] {
  if (isAttestation(descriptor)) return "attestation";
  if (descriptor.artifactType !== undefined) return "artifact";
  return descriptor.mediaType === MEDIA.ociIndex || descriptor.mediaType === MEDIA.dockerIndex ? "index" : "image";
}

function predicatesOf({ document }: OpenedDocument): string[] {
  if (document.kind === "index") return [];
  return document.manifest.layers.flatMap((layer) => layer.annotations?.[PREDICATE_TYPE] ?? []);
}

async function readIfThere(
  opened: OpenedImage,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<OpenedDocument | undefined> {
  try {
    return await readDocument(opened, descriptor, signal);
  } catch (error) {
    const missing = error instanceof BuildError && ["INPUT_MISSING", "STORE", "ARCHIVE_INVALID"].includes(error.code);
    if (missing) return undefined;
    throw error;
  }
}

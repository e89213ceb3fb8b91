// Attestations beside an image: a manifest of their own in the image's index, for the
// platform unknown/unknown, each of its layers a statement (BuildKit, docs/attestations/attestation-storage.md).

import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import type { Platform } from "../core/image/platform.ts";
import type { JsonObject } from "./json.ts";
import { goJson } from "./json.ts";
import type { Document } from "./manifest.ts";
import { documentOf, marshalDescriptor } from "./manifest.ts";

/** What a statement is about: an image under one of its names, or a file. */
export interface Subject {
  readonly name: string;
  readonly digest: Digest;
}

/** An in-toto statement (in-toto attestation framework, spec v1). */
export interface Statement {
  /** Says what the predicate is: "https://slsa.dev/provenance/v1". */
  readonly predicateType: string;
  readonly subjects: readonly Subject[];
  readonly predicate: JsonObject;
}

/**
 * "artifact": with an artifact type, a subject and the empty config, as BuildKit has it since 2026. "image": as an image
 * whose layers the statements are, for registries that take nothing else.
 */
export type AttestationForm = "artifact" | "image";

/** A manifest of statements, and the blobs that it names. */
export interface AttestationManifest extends Document {
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

const ARTIFACT_TYPE = "application/vnd.docker.attestation.manifest.v1+json";
const STATEMENT_TYPE = "application/vnd.in-toto+json";
const EMPTY_CONFIG = { mediaType: "application/vnd.oci.empty.v1+json", bytes: Buffer.from("{}") };
const NO_PLATFORM: Platform = { architecture: "unknown", os: "unknown" };

/** A statement's bytes: in an image without spaces, in a file of its own with an indent. */
export function statementBytes({ predicateType, subjects, predicate }: Statement, indent?: string): Uint8Array {
  const subject = subjects.map(({ name, digest }) => ({ name, digest: { sha256: hexOf(digest) } }));
  const statement = { _type: "https://in-toto.io/Statement/v1", predicateType, subject, predicate };
  return Buffer.from(goJson(statement, indent));
}

/** The manifest that holds an image's statements; its descriptor is one for the index and names the image. */
export function assembleAttestations(
  image: Descriptor,
  statements: readonly Statement[],
  form: AttestationForm,
): AttestationManifest {
  const layers = statements.map((statement) => ({
    ...blobOf(STATEMENT_TYPE, statementBytes(statement)),
    annotations: { "in-toto.io/predicate-type": statement.predicateType },
  }));
  const isArtifact = form === "artifact";
  const config = isArtifact
    ? blobOf(EMPTY_CONFIG.mediaType, EMPTY_CONFIG.bytes)
    : blobOf(MEDIA.ociConfig, configBytes(layers.map(({ descriptor }) => descriptor.digest)));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    ...(isArtifact ? { artifactType: ARTIFACT_TYPE } : {}),
    config: {
      ...marshalDescriptor(config.descriptor),
      ...(isArtifact ? { data: EMPTY_CONFIG.bytes.toString("base64") } : {}),
    },
    layers: layers.map(({ descriptor, annotations }) => marshalDescriptor({ ...descriptor, annotations })),
    ...(isArtifact
      ? { subject: marshalDescriptor({ mediaType: image.mediaType, digest: image.digest, size: image.size }) }
      : {}),
  };
  const { bytes, descriptor } = documentOf(manifest, MEDIA.ociManifest);
  return {
    bytes,
    descriptor: {
      ...descriptor,
      annotations: {
        "vnd.docker.reference.digest": image.digest,
        "vnd.docker.reference.type": "attestation-manifest",
      },
      platform: NO_PLATFORM,
    },
    blobs: [config, ...layers].map((blob) => ({ descriptor: blob.descriptor, bytes: blob.bytes })),
  };
}

function blobOf(mediaType: string, bytes: Uint8Array): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

function configBytes(diffIds: readonly Digest[]): Uint8Array {
  const { architecture, os } = NO_PLATFORM;
  return Buffer.from(goJson({ architecture, os, config: {}, rootfs: { type: "layers", diff_ids: diffIds } }));
}

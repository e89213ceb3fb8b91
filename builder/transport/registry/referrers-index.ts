// What refers to a manifest (its "subject"), as a registry without the referrers API keeps it: an index under a tag that
// is made of the subject's digest (distribution-spec, Referrers Tag Schema).

import * as v from "valibot";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";
import type { Document } from "../../image/manifest.ts";
import { documentOf, marshalDescriptor } from "../../image/manifest.ts";

const SubjectSchema = v.looseObject({
  mediaType: v.optional(v.string()),
  artifactType: v.optional(v.string()),
  subject: v.optional(v.looseObject({ digest: v.string() })),
  config: v.optional(v.looseObject({ mediaType: v.string() })),
  annotations: v.optional(v.record(v.string(), v.string())),
});

/** "sha256-<hex>": the tag of the index of what refers to a digest. */
export function referrersTag(digest: Digest): string {
  return digest.replace(":", "-");
}

/** The digest that a manifest or index names as its subject. */
export function subjectOf(bytes: Uint8Array): Digest | undefined {
  const digest = read(bytes)?.subject?.digest;
  return digest !== undefined && isDigest(digest) ? digest : undefined;
}

/** A manifest's descriptor as lists of referrers have it: with its artifact type, which may be its config's, and its annotations. */
export function referrerOf({ mediaType, digest, size }: Descriptor, bytes: Uint8Array): Descriptor {
  const content = read(bytes);
  const artifactType = content?.artifactType ?? content?.config?.mediaType;
  const annotations = content?.annotations;
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(artifactType === undefined || artifactType === "" ? {} : { artifactType }),
  };
}

/** The index of these referrers. */
export function referrersIndex(referrers: readonly Descriptor[]): Document {
  const content = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: referrers.map(marshalDescriptor) };
  return documentOf(content, MEDIA.ociIndex);
}

function read(bytes: Uint8Array): v.InferOutput<typeof SubjectSchema> | undefined {
  try {
    const result = v.safeParse(SubjectSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

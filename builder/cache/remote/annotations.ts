// What the descriptor of a cached layer says of it beside its blob.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";

const DIFF_ID = "containerd.io/uncompressed";
const CREATED_AT = "buildkit/createdat";
/** Ours: how the blob was made, so that the same request gives the same bytes wherever its layers come from. */
export const FORM = "dev.tsbuild.layer.form";

export interface LayerFacts {
  readonly diffId: Digest;
  /** RFC 3339. */
  readonly createdAt?: string | undefined;
  readonly form?: string | undefined;
}

/** The facts as annotations. */
export function layerAnnotations({ diffId, createdAt, form }: LayerFacts): Record<string, string> {
  return {
    [DIFF_ID]: diffId,
    ...(createdAt === undefined ? {} : { [CREATED_AT]: createdAt }),
    ...(form === undefined ? {} : { [FORM]: form }),
  };
}

/** The facts that a descriptor has; undefined when it does not say what its tar is. */
export function layerFacts({ annotations = {} }: Descriptor): LayerFacts | undefined {
  const diffId = annotations[DIFF_ID];
  if (diffId === undefined || !isDigest(diffId)) return undefined;
  return { diffId, createdAt: annotations[CREATED_AT], form: annotations[FORM] };
}

// Images in the form in which policies about sources see them (BuildKit, source/containerimage).

import { parseDigest } from "../../core/digest.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { NamedSource, SourcePolicy } from "../../source/source-policy.ts";

export const MOST_CONVERSIONS = 20;

/** An image that policies were asked about. */
export interface PolicedImage {
  /** Full reference of the one to take. */
  readonly name: string;
  /** Whether the registry is asked even for what is in the store. */
  readonly isPulled: boolean;
}

const SCHEME = "docker-image://";

/** What policies make of an image by its full name; undefined without policies. Throws `INPUT_MISSING`, `USAGE`, `UNSUPPORTED`. */
export async function policedImage(
  policies: readonly SourcePolicy[] | undefined,
  name: string,
  isPulled: boolean,
): Promise<PolicedImage | undefined> {
  if (policies === undefined || policies.length === 0) return undefined;
  const source: NamedSource = {
    identifier: SCHEME + name,
    attrs: new Map(isPulled ? [["image.resolvemode", "pull"]] : []),
  };
  const { applyPolicies } = await import("../../source/source-policy.ts");
  const { changedIn, otherKind } = await import("../../source/policed-sources.ts");
  const next = applyPolicies(policies, source);
  const changed = changedIn(source.attrs, next, ["image.checksum", "image.resolvemode"]);
  if (!next.identifier.startsWith(SCHEME)) throw otherKind(source.identifier, next);
  const reference = parseReference(next.identifier.slice(SCHEME.length));
  const checksum = changed.get("image.checksum");
  const pinned = checksum === undefined ? reference : { ...reference, digest: parseDigest(checksum) };
  return { name: formatReference(pinned), isPulled: next.attrs.get("image.resolvemode") === "pull" };
}

/** Asks policies about an image in a client's layout. Throws `INPUT_MISSING`, `USAGE`, `UNSUPPORTED`. */
export async function policedLayout(policies: readonly SourcePolicy[] | undefined, identifier: string): Promise<void> {
  if (policies === undefined || policies.length === 0) return;
  const { applyPolicies } = await import("../../source/source-policy.ts");
  const { requireAllowed } = await import("../../source/policed-sources.ts");
  requireAllowed(identifier, (source) => applyPolicies(policies, source));
}

// Manifests and tags taken away from a registry (distribution-spec, Content Management).

import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/image/reference.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { manifestPath } from "./client.ts";
import { getDocument } from "./documents.ts";
import { notThere } from "./http/failure.ts";
import { subjectOf } from "./referrers-index.ts";
import { removeReferrer } from "./referrers.ts";
import { Repository } from "./repository.ts";

/**
 * Deletes the manifest that a reference names; its digest. All its tags go with it. Where it refers to a subject, and
 * the registry has no referrers API, the subject's index forgets it. Throws `INPUT_MISSING`, `REGISTRY`.
 */
export async function deleteManifest(
  reference: Reference,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<Digest> {
  const repository = new Repository(reference, options);
  try {
    const client = await repository.pushedTo();
    const { descriptor, bytes } = await getDocument(client, reference.digest ?? reference.tag ?? "latest", signal);
    await remove(client, descriptor.digest, signal);
    const subject = subjectOf(bytes);
    if (subject !== undefined) await removeReferrer(client, subject, descriptor.digest, signal);
    return descriptor.digest;
  } finally {
    repository.close();
  }
}

/** Takes a tag away; the manifest and its other tags stay. Throws `INPUT_MISSING`, and `REGISTRY` where a registry cannot do that. */
export async function deleteTag(reference: Reference, options: RegistryOptions, signal: AbortSignal): Promise<void> {
  if (reference.tag === undefined) throw new BuildError("USAGE", `"${reference.repository}" was given without a tag`);
  const repository = new Repository(reference, options);
  try {
    await remove(await repository.pushedTo(), reference.tag, signal);
  } finally {
    repository.close();
  }
}

async function remove(client: RegistryClient, which: string, signal: AbortSignal): Promise<void> {
  const what = `manifest ${which}`;
  const response = await client.send("DELETE", manifestPath(which), "pull,delete", signal);
  if (response.status === 202 || response.status === 200 || response.status === 204) {
    response.body.resume();
    return;
  }
  const failure = await client.failure(response, what);
  if (response.status === 404) throw notThere(failure, which);
  if (response.status !== 400 && response.status !== 405) throw failure;
  const hint = isDigest(which)
    ? "the registry does not delete, or has it switched off (docker-registry: REGISTRY_STORAGE_DELETE_ENABLED=true)"
    : "the registry takes no single tag away: delete the manifest, and with it all its tags";
  throw new BuildError("REGISTRY", failure.message, { cause: failure, hint });
}

// What one asks of a registry beside its images: which tags there are, what refers to an image, and to forget some of it.

import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { parseReference } from "./core/image/reference.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { registryOptions } from "./registry-options.ts";

/** The tags of a repository ("docker.io/library/busybox"; a tag in it counts for nothing), as the registry orders them. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function listTags(access: RegistryAccess, repository: string, signal: AbortSignal): Promise<string[]> {
  const { listTags: list } = await import("./transport/registry/tags.ts");
  return await list(parseReference(repository), registryOptions(access), signal);
}

/** Deletes the manifest that a name means, and with it all its tags; its digest. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function deleteManifest(access: RegistryAccess, name: string, signal: AbortSignal): Promise<Digest> {
  const { deleteManifest: remove } = await import("./transport/registry/delete.ts");
  return await remove(parseReference(name), registryOptions(access), signal);
}

/** Takes one tag away; its manifest stays. Throws `INPUT_MISSING`, and `REGISTRY` where a registry cannot do that. */
export async function deleteTag(access: RegistryAccess, name: string, signal: AbortSignal): Promise<void> {
  const { deleteTag: remove } = await import("./transport/registry/delete.ts");
  await remove(parseReference(name), registryOptions(access), signal);
}

/** Manifests that refer to an image (signatures, SBOMs), of one type or all. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function listReferrers(
  access: RegistryAccess,
  name: string,
  signal: AbortSignal,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const { listReferrers: list } = await import("./transport/registry/referrers.ts");
  return await list(parseReference(name), registryOptions(access), signal, artifactType);
}

/** Asks each repository of these names whether it would take an image. Throws `REGISTRY` with the first reason against it. */
export async function checkPush(access: RegistryAccess, names: readonly string[], signal: AbortSignal): Promise<void> {
  const { checkPushPermission } = await import("./transport/registry/permission.ts");
  const repositories = new Set(
    names.map(parseReference).map(({ registry, repository }) => `${registry}/${repository}`),
  );
  for (const repository of repositories) await checkPushPermission(repository, registryOptions(access), signal);
}

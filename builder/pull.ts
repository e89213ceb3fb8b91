// `tsbuild pull`: an image of a registry into the local store, under its name.

import type { CopyResult, TransferRequest } from "./copy.ts";
import { accessFor, retried, transferOptions } from "./copy.ts";
import type { Digest } from "./core/digest.ts";
import type { Platform } from "./core/image/platform.ts";
import type { Reference } from "./core/image/reference.ts";
import { formatReference } from "./core/image/reference.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import { openSource } from "./engine/images/locations.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import { withStoredDocuments } from "./transport/stored-documents.ts";
import { storeSink } from "./transport/local-store.ts";

export interface PullRequest extends TransferRequest {
  readonly reference: Reference;
  readonly access: RegistryAccess;
  readonly platform: Platform;
  /** Of every platform, not of `platform` alone. */
  readonly allPlatforms: boolean;
}

export interface PullResult extends CopyResult {
  /** Full reference in the store. */
  readonly name: string;
  /** What the name led to before. */
  readonly before: Digest | undefined;
}

/**
 * Pulls an image. Of a multi-platform one the store gets the index, so that its digest stays the one that the registry
 * has, and the images that were asked for. Throws `INPUT_MISSING`, `REGISTRY`.
 */
export async function pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
  const { reference, allPlatforms, platform } = request;
  const name = formatReference(reference);
  return await toldTransfer(request, `pull ${name}`, (onStatus) =>
    retried(request, signal, async () => {
      const access = accessFor(request, request.access, signal);
      const store = await access.store();
      const before = await store.names.resolve(name);
      await using source = await openSource({ transport: "docker", reference }, access);
      const spared = { ...source, ...withStoredDocuments(source, store) };
      const result = await copyImage(spared, storeSink(store), {
        which: allPlatforms ? "all" : "sparse",
        platform,
        family: undefined,
        compression: undefined,
        preserveDigests: false,
        names: [name],
        ...transferOptions(request, { transport: "docker" }),
        signal,
        onStatus,
      });
      return { ...result, name, before: before?.digest };
    }),
  );
}

// Opens caches that are no images: in a bucket of S3, in Azure's storage, in GitHub's cache service.

import type { BucketCache } from "../../cache-request.ts";
import type { CacheBucket } from "../../cache/buckets/bucket.ts";
import type { RegistryAccess } from "../../registry-options.ts";
import { HttpClient } from "../../transport/registry/http/http.ts";
import { RETRY } from "../../transport/registry/http/retry.ts";

/** Such a cache as a request names it; nothing is asked of it yet. Throws `CONFIG`, `USAGE`. */
export async function openBucket(
  cache: BucketCache,
  { environment }: Pick<RegistryAccess, "environment">,
): Promise<CacheBucket> {
  const { retries = RETRY.retries } = cache;
  const http = new HttpClient({ allowsPlain: () => false, environment, retry: { ...RETRY, retries } });
  switch (cache.type) {
    case "s3":
      return (await import("../../cache/buckets/s3.ts")).openS3Cache(cache, http);
    case "azblob":
      return (await import("../../cache/buckets/azure.ts")).openAzureCache(cache, http);
    case "gha":
      return (await import("../../cache/buckets/actions.ts")).openActionsCache(cache, http);
  }
}

/** For people, before it is open. */
export function nameOfBucket(cache: BucketCache): string {
  switch (cache.type) {
    case "s3":
      return `s3://${cache.place.bucket}/${cache.manifestsPrefix}${cache.names.join(";")}`;
    case "azblob":
      return `${placeIn(cache.accountUrl)}/${cache.container}/${cache.manifestsPrefix}/${cache.names.join(";")}`;
    case "gha":
      return `gha:${cache.scope}`;
  }
}

/** Without the query, which may be a key. */
function placeIn(accountUrl: string): string {
  const url = URL.parse(accountUrl);
  return url === null ? accountUrl : `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

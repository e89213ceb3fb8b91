// Caches in buckets as a daemon is asked for them, in BuildKit's words. Keys that this side was told go along; where it
// would ask its own cloud who it is, the daemon asks its own.

import type { BucketCache } from "../../builder/cache-request.ts";

/** The attributes of such a cache, but for what is written into it. */
export function bucketAttrs(cache: BucketCache): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(wordsOf(cache)).flatMap(([key, value]): [string, string][] =>
      value === undefined ? [] : [[key, String(value)]],
    ),
  );
}

function wordsOf(cache: BucketCache): Readonly<Record<string, string | number | boolean | undefined>> {
  switch (cache.type) {
    case "gha": {
      const { version, url, token, scope, timeoutMs, repository } = cache;
      return {
        version,
        // Old daemons know the first one only.
        ...(version === 2 ? { url_v2: url } : { url }),
        token,
        scope,
        timeout: `${timeoutMs}ms`,
        repository: repository?.name,
        ghtoken: repository?.token,
      };
    }
    case "s3": {
      const { place, way, manifestsPrefix, blobsPrefix, names, touchMs, retries } = cache;
      const keys = way.kind === "keys" ? way.credentials : undefined;
      return {
        bucket: place.bucket,
        region: place.region,
        endpoint_url: place.endpoint,
        use_path_style: place.usePathStyle,
        access_key_id: keys?.accessKeyId,
        secret_access_key: keys?.secretAccessKey,
        session_token: keys?.sessionToken,
        manifests_prefix: manifestsPrefix,
        blobs_prefix: blobsPrefix,
        name: names.join(";"),
        touch_refresh: `${touchMs}ms`,
        retry_max_attempts: retries === undefined ? undefined : retries + 1,
      };
    }
    case "azblob": {
      const { accountUrl, container, login, manifestsPrefix, blobsPrefix, names } = cache;
      const key = login.kind === "key" ? login.key : undefined;
      return {
        account_url: accountUrl,
        account_name: key?.account,
        secret_access_key: key?.key,
        container,
        manifests_prefix: manifestsPrefix,
        blobs_prefix: blobsPrefix,
        name: names.join(";"),
      };
    }
  }
}

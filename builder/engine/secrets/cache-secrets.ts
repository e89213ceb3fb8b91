// The keys and tokens that a build's caches are reached with: secrets of the build, wherever they came from.

import type { AwsWay } from "../../transport/cloud/aws-credentials.ts";
import type { BuildRequest } from "../../request.ts";

/** Each with an id and a name for people. */
export function secretsOfCaches({
  cacheFrom = [],
  cacheTo = [],
}: Pick<BuildRequest, "cacheFrom" | "cacheTo">): readonly (readonly [id: string, name: string, value: string])[] {
  const found = new Map<string, readonly [string, string, string]>();
  const add = (type: string, what: string, value: string | undefined): void => {
    if (value !== undefined && value !== "")
      found.set(value, [`cache:${type}`, `${what} of the cache type=${type}`, value]);
  };
  for (const cache of [...cacheFrom, ...cacheTo]) {
    switch (cache.type) {
      case "gha":
        add("gha", "token", cache.token);
        add("gha", "token for the REST API", cache.repository?.token);
        break;
      case "s3":
        for (const value of keysIn(cache.way)) add("s3", "key", value);
        break;
      case "azblob":
        if (cache.login.kind === "key") add("azblob", "key", cache.login.key.key);
        if (cache.login.kind === "way" && cache.login.way.kind === "secret")
          add("azblob", "secret", cache.login.way.secret);
        if (cache.login.kind === "url")
          add("azblob", "signature", URL.parse(cache.accountUrl)?.searchParams.get("sig") ?? "");
        break;
      case "client":
      case "registry":
      case "local":
      case "inline":
        break;
    }
  }
  return [...found.values()];
}

function keysIn(way: AwsWay): readonly (string | undefined)[] {
  switch (way.kind) {
    case "keys":
      return [way.credentials.secretAccessKey, way.credentials.sessionToken];
    case "role":
      return keysIn(way.from);
    case "container":
      return [way.token];
    case "web-identity":
    case "instance":
    case "none":
      return [];
  }
}

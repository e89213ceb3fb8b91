// A request in the words in which BuildKit's clients ask its Dockerfile frontend, for the
// provenance (docs/buildinfo and frontend/dockerui). What is about this machine alone is left out.

import { basename } from "node:path";
import type { ConfigSource } from "../../attest/facts.ts";
import type { ImageLocation } from "../../core/image/image-location.ts";
import type { BuildRequest, ContextSpec } from "../../request.ts";
import { isMultiPlatform } from "../multi-platform.ts";

const DEFAULT_SHM_BYTES = 64 << 20;

/** Attributes of the frontend, by name. URLs are as they were given. */
export function frontendArgs(request: BuildRequest): ReadonlyMap<string, string> {
  const { buildArgs, labels, namedContexts, noCache, network } = request;
  const args = new Map<string, string>();
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") args.set(key, value);
  };
  for (const [key, value] of buildArgs) args.set(`build-arg:${key}`, value);
  for (const [key, value] of labels) args.set(`label:${key}`, value);
  for (const [name, context] of namedContexts) set(`context:${name}`, contextText(name, context));
  set("target", request.target);
  set("add-hosts", request.extraHosts.map(({ host, ip }) => `${host}=${ip}`).join(","));
  set("force-network-mode", network === "default" ? undefined : network);
  set("ulimit", request.ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(","));
  set("shm-size", request.shmSizeBytes === DEFAULT_SHM_BYTES ? undefined : String(request.shmSizeBytes));
  set("multi-platform", isMultiPlatform(request) ? "true" : undefined);
  // An empty list means all stages.
  if (noCache === true) args.set("no-cache", "");
  else if (noCache !== false) set("no-cache", noCache.join(","));
  return args;
}

/** Where the build was described: the Dockerfile in a repository or archive, or its name alone in a folder of the client. */
export function dockerfilePath({ context, dockerfile, definition }: BuildRequest): Pick<ConfigSource, "path"> {
  if (definition !== undefined) return {};
  const path = dockerfile.kind === "path" || dockerfile.kind === "client" ? dockerfile.path : undefined;
  const isRemote = context.kind === "git" || context.kind === "http";
  return { path: path === undefined ? "Dockerfile" : isRemote ? path : basename(path) };
}

function contextText(name: string, context: ContextSpec): string {
  switch (context.kind) {
    case "directory":
    case "client":
    case "stream":
      return `local:${name}`;
    case "git":
    case "http":
      return context.url;
    case "image":
      return `docker-image://${context.reference}`;
    case "location":
      return locationText(name, context.location);
    case "definition":
      return `input:${name}`;
    case "client-image":
      return `oci-layout://${name}@${context.digest}`;
  }
}

/** BuildKit calls a layout by its tag, and never says whose folder it is in. */
function locationText(name: string, location: ImageLocation): string {
  const transport = location.transport === "oci" ? "oci-layout" : location.transport;
  return `${transport}://${"ref" in location && location.ref !== undefined ? location.ref : name}`;
}

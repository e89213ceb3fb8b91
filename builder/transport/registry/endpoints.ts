// Where the content of a repository can be had: the registry itself, and the mirrors that configuration names before
// it. The doors read configuration files (src/config) and answer with this; the client only follows it.

import type { Reference } from "../../core/image/reference.ts";

/** One place to ask, as the client reaches it. */
export interface RegistryEndpoint {
  /** Host and port as people write it, and the key of its credentials: "docker.io", "mirror.example:5000". */
  readonly registry: string;
  /** The repository's path at this place; a mirror may have a prefix before it. */
  readonly repository: string;
  /**
   * Origins to try, in order, until one answers: "https://registry-1.docker.io". Two of them for a host that may
   * speak either protocol. A path before /v2/ (containerd's override_path) is part of it.
   */
  readonly origins: readonly string[];
  /** Where repositories stand below an origin; "/v2" if not said. Containerd's override_path may have "". */
  readonly api?: string | undefined;
  readonly isMirror: boolean;
  /** Whether only reading by tag, only by digest, or both is allowed here (registries.conf, pull-from-mirror). */
  readonly serves: "all" | "digests" | "tags";
  readonly tls: EndpointTls;
  /** Sent with every request to this place, never to where it redirects. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as `?ns=` with every request: the registry that a mirror stands in for (containerd's hosts.toml). */
  readonly namespace?: string;
}

/** Below an origin: what a request goes to. */
export function apiOf({ api = "/v2" }: Pick<RegistryEndpoint, "api">): string {
  return api;
}

/** PEM texts; read by whoever made the endpoint. */
export interface EndpointTls {
  /** Added to the system's certificate authorities. */
  readonly ca?: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
  /** The server's certificate goes unchecked. */
  readonly isUnchecked: boolean;
}

/** The places for one reference, in the order they are asked. The last one is the registry itself; only that one is pushed to. */
export interface RegistryRoute {
  readonly endpoints: readonly RegistryEndpoint[];
  /** Where it is pushed to, where that is not the last place: registries.conf moves a name for reading only. */
  readonly push?: RegistryEndpoint;
  /** What decided, for people: `"mirror.example" because /etc/containers/registries.conf, [[registry.mirror]] …`. */
  readonly because: readonly string[];
}

/**
 * Finds the route of a reference. Throws `REGISTRY` for a blocked registry and `CONFIG` for a file that cannot be
 * read, naming it; never with a secret in the message.
 */
export type RegistryRouter = (reference: RoutedReference) => Promise<RegistryRoute>;

/** What a route is asked for: a repository, or one image of it. */
export type RoutedReference = Pick<Reference, "registry" | "repository"> & Partial<Pick<Reference, "tag" | "digest">>;

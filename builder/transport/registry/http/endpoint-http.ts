// HTTP towards one place: with its certificates, and plain where it is plain.

import { isLoopback } from "./connections.ts";
import type { EndpointTls, RegistryEndpoint } from "../endpoints.ts";
import type { HttpOptions } from "./http.ts";
import { HttpClient } from "./http.ts";

/** A client for a place's requests. */
export interface EndpointHttp {
  readonly http: HttpClient;
  /** Whether a password or token may go to a URL by plain HTTP. */
  readonly allowsPlain: (url: URL) => boolean;
  /** Of every request to the place, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Opens connections to a place when they are needed; close `http` to end them. */
export function openEndpoint(
  endpoint: RegistryEndpoint,
  options: Pick<HttpOptions, "environment" | "retry" | "idleMs">,
): EndpointHttp {
  const plain = new Set(endpoint.origins.flatMap((origin) => (/^http:/i.test(origin) ? hostOf(origin) : [])));
  const allowsPlain = (url: URL): boolean => isLoopback(url.host) || plain.has(url.host);
  const http = new HttpClient({ ...options, tlsFor: tlsOf(endpoint), allowsPlain });
  const headers = Object.entries(endpoint.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { http, allowsPlain, headers: Object.fromEntries(headers) };
}

// On the endpoint's own host, whatever its port (a token server beside the registry), all of it holds; elsewhere only
// the authorities do.
function tlsOf({ tls, origins }: RegistryEndpoint): (url: URL) => EndpointTls {
  const own = new Set(origins.flatMap((origin) => (URL.canParse(origin) ? new URL(origin).hostname : [])));
  const elsewhere: EndpointTls = { isUnchecked: false, ...(tls.ca === undefined ? {} : { ca: tls.ca }) };
  return ({ hostname }) => (own.has(hostname) ? tls : elsewhere);
}

function hostOf(origin: string): string | [] {
  return URL.canParse(origin) ? new URL(origin).host : [];
}

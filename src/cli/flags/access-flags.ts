// The flags that say how a registry is reached, under the names of skopeo and podman. A copy has them once for each of
// its sides.

import type { Flag } from "../flags.ts";

/** Those of the one registry that a command speaks to (""), or of one side of a copy. */
export function accessFlags(prefix: "" | "src-" | "dest-"): readonly Flag[] {
  const side = { "": "the registry", "src-": "the source's registry", "dest-": "the destination's registry" }[prefix];
  // prettier-ignore
  return [
    { name: `${prefix}authfile`, kind: "string", value: "FILE", state: "works", help: `File with the login at ${side} (default $REGISTRY_AUTH_FILE and docker's, podman's)` },
    { name: `${prefix}cert-dir`, kind: "string", value: "DIR", state: "works", help: `Folder of certificates for ${side}: *.crt, and *.cert with *.key` },
    { name: `${prefix}creds`, kind: "string", value: "USER:PASSWORD", state: "works", help: `Login at ${side}` },
    { name: `${prefix}no-creds`, kind: "boolean", state: "works", help: `Use no login at ${side}` },
    { name: `${prefix}password`, kind: "string", value: "PASSWORD", state: "works", help: `Password at ${side}` },
    { name: `${prefix}registry-token`, kind: "string", value: "TOKEN", state: "works", help: `Bearer token for ${side}` },
    { name: `${prefix}tls-verify`, kind: "boolean", state: "works", help: `Whether ${side} must have HTTPS and a good certificate (default: as its configuration says)` },
    { name: `${prefix}username`, kind: "string", value: "USER", state: "works", help: `User name at ${side}` },
  ];
}

/** Hosts that need no certificate, wherever they are met. */
// prettier-ignore
export const INSECURE_FLAG: Flag =
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" };

/** Makes attempts beyond those that the client makes of its own. */
// prettier-ignore
export const RETRY_TIMES: Flag =
  { name: "retry-times", kind: "string", value: "N", state: "works", help: "Begin anew so often when a registry fails (default 0; requests are repeated anyway)" };

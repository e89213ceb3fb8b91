// Flags of commands that another daemon can do the work of.

import type { Flag } from "../flags.ts";

// prettier-ignore
export const HOST_FLAGS: readonly Flag[] = [
  { name: "host", kind: "string", value: "ADDR", state: "works", help: "Let a daemon do the work: unix:///path, tcp://host:port, ssh://user@host (TSBUILD_HOST)" },
  { name: "tls-ca", kind: "string", value: "FILE", state: "works", help: "Who signs the daemon's certificate (TSBUILD_TLS_CA)" },
  { name: "tls-cert", kind: "string", value: "FILE", state: "works", help: "Our certificate for the daemon (TSBUILD_TLS_CERT)" },
  { name: "tls-key", kind: "string", value: "FILE", state: "works", help: "Its key (TSBUILD_TLS_KEY)" },
  { name: "tls-server-name", kind: "string", value: "NAME", state: "works", help: "The name in the daemon's certificate, when it is not that of --host (TSBUILD_TLS_SERVER_NAME)" },
];

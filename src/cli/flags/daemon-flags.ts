// The flags of `tsbuild daemon`; those that buildkitd has too have its names.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const DAEMON_FLAGS: readonly Flag[] = [
  { name: "addr", kind: "list", value: "ADDRESS", state: "works", help: "Where clients come in: unix:///PATH, tcp://HOST:PORT or fd:// (sockets of systemd); may be given several times" },
  { name: "allow-insecure-entitlement", kind: "list", value: "NAME", state: "works", help: "What clients may ask for: network.host, security.insecure" },
  { name: "config", kind: "string", value: "FILE", state: "works", help: "Settings in the form of buildkitd.toml; flags come before them" },
  { name: "group", kind: "string", value: "GROUP", state: "works", help: "Group (name or number) that may use a unix socket (default: its owner alone)" },
  { name: "insecure", kind: "boolean", state: "works", help: "Permit tcp:// without TLS" },
  { name: "log-format", kind: "string", value: "FORMAT", state: "works", help: "What the daemon says of itself: json (default) or text, one line each, on standard error" },
  { name: "log-level", kind: "string", value: "LEVEL", state: "works", help: "Least of what is said: debug, info (default), warn, error" },
  { name: "require-sandbox", kind: "string", value: "WHAT", state: "works", help: "Fail builds unless RUN has it: namespaces, or a driver (launcher, crun, runc, unshare, chroot)" },
  { name: "shutdown-timeout", kind: "string", value: "SECONDS", state: "works", help: "How long builds may go on after SIGTERM (default 25)" },
  { name: "tlscacert", kind: "string", value: "FILE", state: "works", help: "CA of clients: each must show a certificate that it signed" },
  { name: "tlscert", kind: "string", value: "FILE", state: "works", help: "Certificate of tcp:// addresses" },
  { name: "tlskey", kind: "string", value: "FILE", state: "works", help: "Its key" },
  { name: "ui", kind: "boolean", state: "works", help: "Serve a web page at /ui of every address: builds, their output, images, the disk" },
  { name: "ui-token-file", kind: "string", value: "FILE", state: "works", help: "With --ui: whoever gives the token in this file may clear the store there" },
  ...GLOBAL_FLAGS,
];

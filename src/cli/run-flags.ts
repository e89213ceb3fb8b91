// The flags of `tsbuild run`: the few of `docker run` that a look into an image needs.

import type { Flag } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

const LATER = "tsbuild run is for trying an image; a container engine has the rest";

// prettier-ignore
export const RUN_FLAGS: readonly Flag[] = [
  { name: "add-host", kind: "list", value: "HOST:IP", state: "works", help: "Add a line to /etc/hosts" },
  { name: "entrypoint", kind: "string", value: "COMMAND", state: "works", help: "Replace the image's entrypoint (and drop its command)" },
  { name: "env", short: "e", kind: "list", value: "K[=V]", state: "works", help: "Set a variable; without a value, from the environment" },
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "interactive", short: "i", kind: "boolean", state: "works", help: "Hand over standard input" },
  { name: "network", kind: "string", value: "MODE", state: "works", help: "default, host or none" },
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
  { name: "require-sandbox", kind: "string", value: "DRIVER", state: "works", help: "Fail unless isolated by launcher, crun, runc or unshare" },
  { name: "rm", kind: "boolean", state: "works", help: "Remove what was written (always so)" },
  { name: "snapshotter", kind: "string", value: "NAME", state: "works", help: "How the image's layers become one tree: auto, overlay or copy" },
  { name: "tty", short: "t", kind: "boolean", state: "works", help: "Give it a terminal" },
  { name: "user", short: "u", kind: "string", value: "USER[:GROUP]", state: "works", help: "User and group, names or numbers" },
  { name: "workdir", short: "w", kind: "string", value: "DIR", state: "works", help: "Working directory" },
  { name: "detach", short: "d", kind: "boolean", state: "later", help: "Run in background", note: LATER },
  { name: "name", kind: "string", state: "later", help: "Name of the container", note: LATER },
  { name: "privileged", kind: "boolean", state: "later", help: "All privileges", note: LATER },
  { name: "publish", short: "p", kind: "list", state: "later", help: "Publish a port", note: LATER },
  { name: "volume", short: "v", kind: "list", state: "later", help: "Mount a folder", note: LATER },
  { name: "mount", kind: "list", state: "later", help: "Mount a folder", note: LATER },
  ...GLOBAL_FLAGS,
];

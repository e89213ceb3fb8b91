// The flags of `tsbuild shell`.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const SHELL_FLAGS: readonly Flag[] = [
  { name: "list", short: "l", kind: "boolean", state: "works", help: "List the builds and their steps instead" },
  { name: "require-sandbox", kind: "string", value: "WHAT", state: "works", help: "Fail unless the shell has it: namespaces, or a driver (launcher, crun, runc, unshare, chroot)" },
  { name: "secret", kind: "list", value: "SPEC", state: "works", help: "Secret that the step mounts: id=X[,src=FILE][,env=VAR]" },
  { name: "snapshotter", kind: "string", value: "NAME", state: "works", help: "How the layers become one tree: auto, overlay or copy" },
  { name: "ssh", kind: "list", value: "SPEC", state: "works", help: "SSH agent that the step mounts: default or id=SOCKET" },
  ...GLOBAL_FLAGS,
];

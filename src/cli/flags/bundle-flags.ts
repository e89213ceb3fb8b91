// The flags of `tsbuild bundle`, with umoci's names where it has them.

import { INSECURE_FLAG } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { LIMIT_FLAGS } from "../values/unpack-limits.ts";

// prettier-ignore
export const BUNDLE_FLAGS: readonly Flag[] = [
  { name: "gid-map", kind: "list", value: "ID:HOST:COUNT", state: "works", help: "Group ids of the bundle's user namespace (with --uid-map)" },
  INSECURE_FLAG,
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
  { name: "pull", kind: "string", value: "WHEN", state: "works", help: "Ask the registry: always, missing (the default) or never" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Print nothing but errors" },
  { name: "rootless", kind: "boolean", state: "works", help: "For a runtime started by an ordinary user (the default for one)" },
  { name: "tty", short: "t", kind: "boolean", state: "works", help: "The process gets a terminal" },
  { name: "uid-map", kind: "list", value: "ID:HOST:COUNT", state: "works", help: "User ids of the bundle's user namespace" },
  { name: "image", kind: "string", state: "later", help: "The image", note: "the image is the first argument: tsbuild bundle oci:FOLDER:TAG DIR" },
  { name: "keep-dirlinks", kind: "boolean", state: "later", help: "Keep links to directories", note: "layers are applied as the image-spec says" },
  ...LIMIT_FLAGS,
  ...GLOBAL_FLAGS,
];

// Flags of every command that looks at images.

import type { Flag } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const IMAGE_FLAGS: readonly Flag[] = [
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
  ...GLOBAL_FLAGS,
];

/** How IMAGE may be written, for help texts. */
export const IMAGE_NAMES = `\
IMAGE is a name in the local store, an image id or digest (its beginning is enough), or a place and a name there:
docker://NAME, oci:PATH[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME].`;

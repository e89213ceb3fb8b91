// Flags of every command that looks at images.

import { accessFlags, INSECURE_FLAG, RETRY_TIMES } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const IMAGE_FLAGS: readonly Flag[] = [
  { name: "daemon-host", kind: "string", value: "HOST", state: "works", help: "Docker daemon of docker-daemon: (default $DOCKER_HOST)" },
  { name: "no-tags", kind: "boolean", state: "ignored", help: "List no tags of the repository (none are listed)" },
  { name: "shared-blob-dir", kind: "string", state: "later", help: "Folder of blobs that layouts share" },
  INSECURE_FLAG,
  RETRY_TIMES,
  ...accessFlags(""),
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
  ...GLOBAL_FLAGS,
];

/** How IMAGE may be written, for help texts. */
export const IMAGE_NAMES = `\
IMAGE is a name in the local store, an image id or digest (its beginning is enough), or a place and a name there:
docker://NAME, oci:PATH[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME].`;

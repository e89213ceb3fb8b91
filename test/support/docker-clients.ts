// Where the plugins of the unmodified docker command line are: unpacked by tools/docker-clients.sh, or those that the
// machine has.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const UNPACKED = "/var/cache/tsbuild-tests/docker-clients/usr";
const PLUGINS = [
  `${UNPACKED}/libexec/docker/cli-plugins`,
  "/usr/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  join(homedir(), ".docker/cli-plugins"),
];

/** A plugin of docker ("docker-buildx"); undefined where there is none. */
export function dockerPlugin(name: string): string | undefined {
  return PLUGINS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

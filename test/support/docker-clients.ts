// Where the unmodified docker command line and its plugins are: unpacked by tools/docker-clients.sh, or those that the
// machine has.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const UNPACKED = "/var/cache/tsbuild-tests/docker-clients/usr";
const PROGRAMS = [`${UNPACKED}/bin/docker`, "/usr/bin/docker", "/usr/local/bin/docker"];
const PLUGINS = [
  `${UNPACKED}/libexec/docker/cli-plugins`,
  "/usr/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  join(homedir(), ".docker/cli-plugins"),
];

/** The docker program; undefined where there is none. */
export const DOCKER: string | undefined = PROGRAMS.find((path) => existsSync(path));

/** A plugin of docker ("docker-buildx"); undefined where there is none. */
export function dockerPlugin(name: string): string | undefined {
  return PLUGINS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

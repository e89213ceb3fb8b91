// The proxies that docker's config.json has for builds.

import type { ConfigFolders } from "./files/folders.ts";
import { dockerConfigPath } from "./files/folders.ts";
import { objectField, readJsonObject, textField } from "./files/json-file.ts";

/** By the name of the variable; in config.json each has its own spelling. */
const PROXIES = {
  HTTP_PROXY: "httpProxy",
  HTTPS_PROXY: "httpsProxy",
  FTP_PROXY: "ftpProxy",
  NO_PROXY: "noProxy",
  ALL_PROXY: "allProxy",
} as const;

/**
 * The build arguments that `proxies.default` stands for, in upper and in lower case, as docker's command line adds them.
 * What is said for a certain daemon ("tcp://…") is not for us, who need none. Throws `CONFIG`.
 */
export async function readProxyArgs(folders: Pick<ConfigFolders, "docker">): Promise<ReadonlyMap<string, string>> {
  const content = (await readJsonObject(dockerConfigPath(folders))) ?? {};
  const proxies = objectField(objectField(content, "proxies"), "default");
  const result = new Map<string, string>();
  for (const [variable, key] of Object.entries(PROXIES)) {
    const value = textField(proxies, key);
    if (value === "") continue;
    result.set(variable, value);
    result.set(variable.toLowerCase(), value);
  }
  return result;
}

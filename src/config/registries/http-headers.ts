// docker's config.json: the headers that it has for registries.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ConfigFolders } from "../files/folders.ts";
import { dockerConfigPath } from "../files/folders.ts";
import { objectField, readJsonObject } from "../files/json-file.ts";
import type { RegistryFile } from "./registry-files.ts";
import { readRegistryFile } from "./registry-files.ts";

/**
 * The headers that registries get: of `HttpHeaders` those that begin with "X-Meta-", as dockerd passes them on. The
 * others are for the daemon.
 */
export async function readHttpHeaders(folders: ConfigFolders): Promise<RegistryFile> {
  const path = dockerConfigPath(folders);
  return await readRegistryFile(path, async () => {
    const content = await readJsonObject(path);
    if (content === undefined) return undefined;
    const written = objectField(content, "HttpHeaders");
    const headers = Object.entries(written).filter(([name]) => /^x-meta-/i.test(name));
    if (headers.length === 0) return [];
    for (const [name, value] of headers) checkHeader(name, value, `"${path}", HttpHeaders`);
    const source = { family: "config.json", owner: "user", file: path, key: "HttpHeaders" } as const;
    return [
      { source, scope: { kind: "any" }, reach: { headers: Object.fromEntries(headers) as Record<string, string> } },
    ];
  });
}

/** Throws `CONFIG` unless this may be sent as a header (RFC 9110, 5.1 and 5.5). Its value is never shown. */
export function checkHeader(name: string, value: unknown, where: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new BuildError("CONFIG", `${where}: "${name}" is no header`);
  if (typeof value !== "string" || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
    throw new BuildError("CONFIG", `${where}: the value of "${name}" cannot be sent as a header`);
}

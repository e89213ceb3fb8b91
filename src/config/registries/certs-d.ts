// certs.d: a folder for each host, with certificates as docker and the containers tools lay them out (dockerd and
// containers-certs.d(5)), or with containerd's hosts.toml.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import type { ConfigFolders } from "../files/folders.ts";
import { readHostsToml } from "./hosts-toml.ts";
import type { RegistryFile } from "./registry-files.ts";
import { readRegistryFile } from "./registry-files.ts";
import type { ClientPair, RegistrySetting, Scope, SettingSource } from "./registry-settings.ts";
import { unreadable } from "../files/text-file.ts";

/** The certificates in a folder that a flag names, for whatever registry is asked. Throws `CONFIG` where it holds none. */
export async function readFlaggedCertificates(path: string, flag: string): Promise<RegistrySetting> {
  const source: SettingSource = { family: "flag", owner: "flag", file: flag, key: "" };
  const found = await readCertificates(path, { kind: "any" }, source);
  if (found === undefined) throw new BuildError("CONFIG", `${flag}: there is no folder "${path}"`);
  const [setting] = found;
  if (setting === undefined) {
    throw new BuildError("CONFIG", `${flag}: "${path}" holds no certificate`, {
      hint: "authorities end in .crt, a client's certificate in .cert and its key in .key",
    });
  }
  return setting;
}

interface Root {
  readonly path: string;
  readonly owner: SettingSource["owner"];
  /** containerd reads hosts.toml in its own folder and in docker's, and has a folder for all other hosts. */
  readonly hasHostsToml: boolean;
  readonly hasDefault: boolean;
}

/** What the folders of a host say; the host is "docker.io" or "registry.example:5000". */
export async function readCertsD(folders: ConfigFolders, host: string): Promise<readonly RegistryFile[]> {
  const found: RegistryFile[] = [];
  for (const root of roots(folders)) {
    for (const path of folderNames(host).map((name) => join(root.path, name))) {
      found.push(...(await readFolder(path, { kind: "name", host, path: "" }, root)));
    }
    const isOwn = found.some(({ path, state }) => path.startsWith(`${root.path}/`) && state !== "absent");
    if (root.hasDefault && !isOwn)
      found.push(...(await readFolder(join(root.path, "_default"), { kind: "any" }, root)));
  }
  return found;
}

function roots({ home, config, etc }: ConfigFolders): readonly Root[] {
  const containers = { hasHostsToml: false, hasDefault: false };
  const containerd = { hasHostsToml: true, hasDefault: true };
  const docker = { hasHostsToml: true, hasDefault: false };
  return [
    { path: join(home, ".config/containers/certs.d"), owner: "user", ...containers },
    { path: join(config, "containerd/certs.d"), owner: "user", ...containerd },
    { path: join(config, "docker/certs.d"), owner: "user", ...docker },
    { path: join(etc, "containers/certs.d"), owner: "system", ...containers },
    { path: join(etc, "containerd/certs.d"), owner: "system", ...containerd },
    { path: join(etc, "docker/certs.d"), owner: "system", ...docker },
  ];
}

/** Docker Hub stands under its own name or its server's; a port may be written ":5000" or "_5000_". */
function folderNames(host: string): readonly string[] {
  if (host === "docker.io") return ["docker.io", "registry-1.docker.io"];
  const port = /^(.+):(\d+)$/.exec(host);
  return port === null ? [host] : [`${port[1]}_${port[2]}_`, host];
}

async function readFolder(path: string, scope: Scope, root: Root): Promise<readonly RegistryFile[]> {
  const isDaemons = root.owner === "system";
  const files: RegistryFile[] = [];
  if (root.hasHostsToml) {
    const file = join(path, "hosts.toml");
    files.push(await readRegistryFile(file, () => readHostsToml(file, scope, root.owner), { isDaemons }));
  }
  // With a hosts.toml the certificates are those that it names.
  if (files.some(({ state }) => state !== "absent")) return files;
  const source: SettingSource = { family: "certs.d", owner: root.owner, file: path, key: "" };
  return [await readRegistryFile(path, () => readCertificates(path, scope, source), { isDaemons })];
}

async function readCertificates(
  path: string,
  scope: Scope,
  source: SettingSource,
): Promise<readonly RegistrySetting[] | undefined> {
  let names: string[];
  try {
    names = (await readdir(path)).toSorted();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw unreadable(path, error);
  }
  const ca = names.filter((name) => name.endsWith(".crt")).map((name) => join(path, name));
  const client = findPair(path, names);
  if (ca.length === 0 && client === undefined) return [];
  return [{ source, scope, reach: { ca: ca.length === 0 ? undefined : ca, client } }];
}

/** The first pair; each half must have its other one, as docker wants it. */
function findPair(path: string, names: readonly string[]): ClientPair | undefined {
  let found: ClientPair | undefined;
  for (const name of names) {
    const certificate = name.replace(/\.key$/, ".cert");
    const key = name.replace(/\.cert$/, ".key");
    if (name.endsWith(".key") && !names.includes(certificate))
      throw new BuildError("CONFIG", `"${path}": missing client certificate ${certificate} for key ${name}`);
    if (!name.endsWith(".cert")) continue;
    if (!names.includes(key))
      throw new BuildError("CONFIG", `"${path}": missing key ${key} for client certificate ${name}`, {
        hint: "CA certificates have the ending .crt",
      });
    found ??= { certificate: join(path, certificate), key: join(path, key) };
  }
  return found;
}

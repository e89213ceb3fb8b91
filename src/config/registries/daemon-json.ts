// What docker's daemon.json says of registries: mirrors of Docker Hub, and insecure ones.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import * as v from "valibot";
import { isWithin } from "../../../builder/core/address-range.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { ConfigFolders } from "../files/folders.ts";
import { readJsonObject } from "../files/json-file.ts";
import type { RegistryFile } from "./registry-files.ts";
import { readRegistryFile } from "./registry-files.ts";
import type { Place, RegistrySetting, SettingSource } from "./registry-settings.ts";
import { canonicalHost } from "./registry-settings.ts";
import { checkShape } from "../files/shape.ts";

const Daemon = v.looseObject({
  "registry-mirrors": v.exactOptional(v.array(v.string())),
  "insecure-registries": v.exactOptional(v.array(v.string())),
});

/** The file of a rootless daemon, and the system's. */
export async function readDaemonJson({ config, etc }: ConfigFolders): Promise<readonly RegistryFile[]> {
  const user = join(config, "docker/daemon.json");
  const system = join(etc, "docker/daemon.json");
  return [
    await readRegistryFile(user, () => read(user, "user")),
    await readRegistryFile(system, () => read(system, "system"), { isDaemons: true }),
  ];
}

async function read(path: string, owner: SettingSource["owner"]): Promise<readonly RegistrySetting[] | undefined> {
  const written = await readJsonObject(path);
  if (written === undefined) return undefined;
  const content = checkShape(Daemon, written, `"${path}"`);
  const source = (key: string): SettingSource => ({ family: "daemon.json", owner, file: path, key });
  const mirrors = content["registry-mirrors"]?.map((url) => readMirror(url, path));
  return [
    ...(mirrors === undefined || mirrors.length === 0
      ? []
      : [{ source: source("registry-mirrors"), scope: HUB, mirrors, reach: {} }]),
    ...(content["insecure-registries"] ?? []).map((written) =>
      insecureRegistry(written, source("insecure-registries")),
    ),
  ];
}

const HUB = { kind: "name", host: "docker.io", path: "" } as const;

function readMirror(url: string, file: string): Place {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // dockerd refuses the others itself.
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || !/^\/*$/.test(parsed.pathname))
    throw new BuildError(
      "CONFIG",
      `"${file}", registry-mirrors: a mirror is https://host[:port] or http://host[:port]`,
    );
  if (parsed.username !== "" || parsed.password !== "")
    throw new BuildError("CONFIG", `"${file}", registry-mirrors: the mirror "${parsed.host}" has a login in its URL`);
  return {
    host: canonicalHost(parsed.host),
    path: "",
    base: "",
    scheme: parsed.protocol === "http:" ? "http" : "https",
    reach: {},
    serves: "all",
    sendsNamespace: false,
  };
}

/** A host of `--insecure-registry` or of a list of insecure registries, or a range of addresses. */
export function insecureRegistry(written: string, source: SettingSource): RegistrySetting {
  const text = written.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const isRange = /^[0-9a-f.:]+\/\d+$/i.test(text) && isIP(text.replace(/\/.*$/, "")) !== 0;
  return {
    source,
    scope: isRange ? { kind: "network", range: text } : { kind: "name", host: canonicalHost(text), path: "" },
    reach: { protocol: "either" },
  };
}

/** The settings about a host: a range's count when one of the host's addresses is in it, as docker has it. */
export async function withinRanges(
  settings: readonly RegistrySetting[],
  host: string,
): Promise<readonly RegistrySetting[]> {
  if (!settings.some(({ scope }) => scope.kind === "network")) return settings;
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const addresses = isIP(name) === 0 ? await addressesOf(name) : [name];
  return settings.filter(
    ({ scope }) => scope.kind !== "network" || addresses.some((address) => isWithin(address, scope.range)),
  );
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return []; // an unknown host is in no range; reaching for it will say the rest
  }
}

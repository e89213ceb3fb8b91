// registries.conf, version 2 and what is left of version 1, with its drop-ins (containers-registries.conf(5)).

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import type { Environment } from "../environment.ts";
import type { ConfigFolders } from "../files/folders.ts";
import type { ConfigObject } from "../files/json-file.ts";
import { objectField } from "../files/json-file.ts";
import type { RegistryFile } from "./registry-files.ts";
import { readRegistryFile } from "./registry-files.ts";
import type { Place, RegistrySetting, Scope, SettingSource } from "./registry-settings.ts";
import { splitName } from "./registry-settings.ts";
import { checkShape, Texts } from "../files/shape.ts";
import { readText, unreadable } from "../files/text-file.ts";
import { readToml } from "../files/toml-file.ts";

/** What the files say together. */
export interface RegistriesConf {
  readonly files: readonly RegistryFile[];
  readonly settings: readonly RegistrySetting[];
  /** Registries for names without one, and the file that says so. */
  readonly search: { readonly registries: readonly string[]; readonly file: string } | undefined;
  /** Full names for names without a registry, and the file that says so. */
  readonly aliases: ReadonlyMap<string, { readonly name: string; readonly file: string }>;
  /** Where logins are looked for; undefined: in the files. */
  readonly credentialHelpers: { readonly helpers: readonly string[]; readonly file: string } | undefined;
}

/**
 * Reads the files that count. A user's registries.conf stands in for the system's, drop-ins included; a file named in
 * the environment stands in for either. Later drop-ins replace a prefix as a whole.
 */
export async function readRegistriesConf(environment: Environment, folders: ConfigFolders): Promise<RegistriesConf> {
  const parts: Part[] = [];
  const files: RegistryFile[] = [];
  const named = VARIABLES.find((name) => environment[name]);
  for (const { path, owner } of await findFiles(named && environment[named], folders)) {
    const file = await readRegistryFile(path, async () => {
      const part = await readPart(path, owner);
      if (part === undefined && named !== undefined && path === environment[named])
        throw new BuildError("CONFIG", `there is no "${path}", which the environment variable ${named} names`);
      if (part !== undefined) parts.push(part);
      return part === undefined ? undefined : [...part.settings.values()];
    });
    files.push(file);
  }
  const merged = new Map<string, RegistrySetting>();
  for (const { settings } of parts) for (const [prefix, setting] of settings) merged.set(prefix, setting);
  return {
    files,
    settings: [...merged.values()],
    search: parts.findLast(({ search }) => search !== undefined)?.search,
    aliases: new Map(parts.flatMap(({ aliases }) => [...aliases])),
    credentialHelpers: parts.findLast(({ credentialHelpers }) => credentialHelpers !== undefined)?.credentialHelpers,
  };
}

/** Either names a file that stands in for the others; the first one counts. */
const VARIABLES = ["CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"];

type Owner = SettingSource["owner"];

interface Part extends Omit<RegistriesConf, "files" | "settings"> {
  /** By prefix as it is written. */
  readonly settings: ReadonlyMap<string, RegistrySetting>;
}

async function findFiles(
  named: string | undefined,
  { home, cache, etc }: ConfigFolders,
): Promise<readonly { readonly path: string; readonly owner: Owner }[]> {
  // Not $XDG_CONFIG_HOME: the library that reads these files goes by HOME.
  const user = { path: join(home, ".config/containers/registries.conf"), owner: "user" } as const;
  const system = { path: join(etc, "containers/registries.conf"), owner: "system" } as const;
  const dropIns = async ({ path, owner }: { path: string; owner: Owner }): Promise<{ path: string; owner: Owner }[]> =>
    (await listFolder(`${path}.d`, ".conf")).map((file) => ({ path: file, owner }));
  const last = [
    ...(await dropIns(user)),
    // What podman was told when it asked which registry a short name means.
    { path: join(cache, "containers/short-name-aliases.conf"), owner: "user" } as const,
  ];
  if (named !== undefined) return [{ path: named, owner: "user" }, ...(await dropIns(system)), ...last];
  if (await isThere(user.path)) return [user, ...last];
  return [system, ...(await dropIns(system)), ...last];
}

/** Paths of a folder's files with an ending, sorted; none when there is no such folder. */
async function listFolder(path: string, ending: string): Promise<string[]> {
  try {
    const names = await readdir(path);
    return names
      .filter((name) => name.endsWith(ending))
      .toSorted()
      .map((name) => join(path, name));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw unreadable(path, error);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await readText(path)) !== undefined;
  } catch {
    return true; // and cannot be read: it will say so
  }
}

const Pull = v.picklist(["all", "digest-only", "tag-only"]);
const Mirror = v.looseObject({
  location: v.string(),
  insecure: v.exactOptional(v.boolean()),
  "pull-from-mirror": v.exactOptional(Pull),
});
const Registry = v.looseObject({
  prefix: v.exactOptional(v.string()),
  location: v.exactOptional(v.string()),
  insecure: v.exactOptional(v.boolean()),
  blocked: v.exactOptional(v.boolean()),
  "mirror-by-digest-only": v.exactOptional(v.boolean()),
  mirror: v.exactOptional(v.array(Mirror)),
});
type Registry = v.InferOutput<typeof Registry>;

const Version2 = v.looseObject({
  "unqualified-search-registries": v.exactOptional(v.array(v.string())),
  "credential-helpers": v.exactOptional(v.array(v.string())),
  registry: v.exactOptional(v.array(Registry)),
  aliases: v.exactOptional(v.record(v.string(), v.string())),
});

const List = v.exactOptional(v.looseObject({ registries: v.exactOptional(Texts) }));
const Version1 = v.looseObject({
  registries: v.looseObject({ search: List, insecure: List, block: List }),
});

async function readPart(path: string, owner: Owner): Promise<Part | undefined> {
  const written = await readToml(path);
  if (written === undefined) return undefined;
  const content = checkShape(Version2, "registries" in written ? fromVersion1(written, path) : written, `"${path}"`);
  const settings = new Map<string, RegistrySetting>();
  for (const table of content.registry ?? []) {
    const prefix = table.prefix || table.location || "";
    if (prefix === "") throw new BuildError("CONFIG", `"${path}": a [[registry]] has neither prefix nor location`);
    settings.set(prefix, readRegistry(prefix, table, { family: "registries.conf", owner, file: path, key: "" }));
  }
  const registries = content["unqualified-search-registries"];
  const helpers = content["credential-helpers"];
  return {
    settings,
    search: registries === undefined ? undefined : { registries, file: path },
    credentialHelpers: helpers === undefined ? undefined : { helpers, file: path },
    aliases: new Map(Object.entries(content.aliases ?? {}).map(([name, full]) => [name, { name: full, file: path }])),
  };
}

function fromVersion1(written: ConfigObject, path: string): ConfigObject {
  if ("registry" in written || "unqualified-search-registries" in written)
    throw new BuildError("CONFIG", `"${path}": versions 1 and 2 of registries.conf are mixed`);
  const { registries } = checkShape(Version1, { registries: objectField(written, "registries") }, `"${path}"`);
  const insecure = registries.insecure?.registries ?? [];
  const blocked = registries.block?.registries ?? [];
  return {
    "unqualified-search-registries": registries.search?.registries ?? [],
    registry: [...new Set([...insecure, ...blocked])].map((location) => ({
      location,
      ...(insecure.includes(location) ? { insecure: true } : {}),
      ...(blocked.includes(location) ? { blocked: true } : {}),
    })),
  };
}

function readRegistry(prefix: string, table: Registry, where: SettingSource): RegistrySetting {
  const source = { ...where, key: `[[registry]] "${prefix}"` };
  const fail = (why: string): never => {
    throw new BuildError("CONFIG", `"${where.file}", ${source.key}: ${why}`);
  };
  if (prefix.includes("://") || (table.location ?? "").includes("://")) fail("names have no scheme (https://)");
  const isWild = prefix.startsWith("*.");
  if (isWild && /[/@]/.test(prefix)) fail("only a host may begin with *.");
  if (!isWild && table.location === "") fail("its location is empty");
  const digestOnly = table["mirror-by-digest-only"] ?? false;
  const mirrors = table.mirror?.map((mirror): Place => {
    if (mirror.location === "" || mirror.location.includes("://")) fail("a mirror's location is host[:port][/path]");
    const pull = mirror["pull-from-mirror"];
    if (digestOnly && pull !== undefined) fail("pull-from-mirror and mirror-by-digest-only are not for one registry");
    return place(mirror.location, digestOnly ? "digest-only" : (pull ?? "all"), mirror.insecure);
  });
  const image = imageOf(prefix);
  const others = [...(table.mirror ?? []).map(({ location }) => location), ...(table.location ? [table.location] : [])];
  const renames = image !== "" && others.some((location) => imageOf(location) !== image);
  const isMoved = table.location !== undefined && table.location !== "" && table.location !== prefix;
  return {
    source,
    scope: isWild ? { kind: "subdomains", domain: prefix.slice(2).toLowerCase() } : nameScope(prefix),
    ...(table.blocked === undefined ? {} : { blocked: table.blocked }),
    mirrors,
    home: isMoved ? place(table.location ?? "", "all", table.insecure) : undefined,
    reach: { protocol: protocolOf(table.insecure) },
    ...(renames ? { unusable: "another tag or digest in place of the one that was asked for is not supported" } : {}),
  };
}

function place(location: string, pull: v.InferOutput<typeof Pull>, insecure: boolean | undefined): Place {
  const serves = { all: "all", "digest-only": "digests", "tag-only": "tags" } as const;
  return {
    ...splitName(withoutImage(location)),
    base: "",
    serves: serves[pull],
    reach: { protocol: protocolOf(insecure) },
    sendsNamespace: false,
  };
}

function protocolOf(insecure: boolean | undefined): "either" | "https" | undefined {
  return insecure === undefined ? undefined : insecure ? "either" : "https";
}

/** "host/repository:tag" is about one image. */
function nameScope(prefix: string): Scope {
  const image = imageOf(prefix);
  return { kind: "name", ...splitName(withoutImage(prefix)), ...(image === "" ? {} : { image }) };
}

/** ":tag" or "@digest" at the end of a name; "" when there is none. */
function imageOf(name: string): string {
  return /@.*$|(?<=\/.*):[^/:@]*$/.exec(name)?.[0] ?? "";
}

function withoutImage(name: string): string {
  return name.slice(0, name.length - imageOf(name).length);
}

// Compose files as targets: each service that has a build section is one, and all are the group "default"
// (buildx, bake/compose.go).

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import { parseSize } from "../../cli/values/sizes.ts";
import type { Environment } from "../../config/environment.ts";
import { cleanPath } from "../paths.ts";
import type { SshEntry } from "../entries.ts";
import { parseAttests, parseCaches, parseExports, parseSecrets, parseSsh } from "../entries.ts";
import type { SourceFile } from "../hcl/source.ts";
import { sanitizeName } from "../resolve.ts";
import type { Definition, Target } from "../target.ts";
import { mergeTargets } from "../target.ts";
import { checkService, truthOf } from "./check.ts";
import { parseDotenv } from "./dotenv.ts";
import { wholeModel } from "./include.ts";
import type { LookUp } from "./interpolate.ts";
import type { Data, DataMap } from "./model.ts";
import { isMap, listOf, mapOf, mergeData, pairs, readText, textOf } from "./model.ts";

/** What variables of compose files are looked up in. */
export interface ComposeWorld {
  readonly environment: Environment;
  readonly variables: ReadonlyMap<string, string>;
}

/** Reads the files together into `definition`. Throws `CONFIG`. */
export async function readCompose(
  files: readonly SourceFile[],
  { environment, variables }: ComposeWorld,
  definition: Definition,
): Promise<void> {
  const known: LookUp = (name) => environment[name];
  const fromFile = parseDotenv(await dotenvText(), known);
  const ofEnvironment: LookUp = (name) => variables.get(name) ?? environment[name] ?? fromFile.get(name);
  const lookUp: LookUp = (name) => {
    const value = ofEnvironment(name);
    return name === PROJECT_NAME && !value ? projectName(files) : value;
  };
  const model = files.reduce<Data | undefined>(
    (before, file) => mergeData(before, wholeModel(file, lookUp)),
    undefined,
  );
  const whole = mapOf(model ?? {}, "the compose file");
  const names: string[] = [];
  for (const [service, data] of Object.entries(mapOf(whole["services"] ?? {}, "services"))) {
    const fields = mapOf(data ?? {}, `service "${service}"`);
    checkService(service, fields, whole);
    const target = targetOf(fields, whole, lookUp);
    if (target === undefined) continue;
    const name = sanitizeName(service);
    if (!/^[a-zA-Z0-9_-]+$/.test(name)) throw new BuildError("CONFIG", `invalid service name "${service}"`);
    definition.targets.set(name, target);
    names.push(name);
  }
  definition.groups.set("default", { targets: names });
}

const PROJECT_NAME = "COMPOSE_PROJECT_NAME";

/** What the last file that names the project calls it; else bake's own name for one. */
function projectName(files: readonly SourceFile[]): string {
  const names = files.map(({ text }): unknown => parseDocument(text).get("name"));
  const name = names.findLast((one) => typeof one === "string" && one !== "");
  return typeof name === "string" ? name : "bake";
}

async function dotenvText(): Promise<string> {
  try {
    return await readFile(".env", "utf8");
  } catch (cause) {
    if (isErrno(cause, "ENOENT", "EISDIR")) return "";
    throw new BuildError("CONFIG", "the file .env cannot be read", { cause, hint: String(cause) });
  }
}

function targetOf(service: DataMap, model: DataMap, lookUp: LookUp): Target | undefined {
  const written = service["build"];
  if (written === undefined || written === null) return undefined;
  const build = typeof written === "string" ? { context: written } : mapOf(written, "build");
  const text = (key: string): string | undefined =>
    build[key] === undefined || build[key] === null || build[key] === "" ? undefined : textOf(build[key], key);
  const texts = (key: string): string[] => listOf(build[key], key).map((item) => textOf(item, key));
  const flag = (key: string): boolean | undefined => truthOf(build[key] ?? null) || undefined;
  const shm = text("shm_size");
  const all: { readonly [K in keyof Target]?: Target[K] | undefined } = {
    context: pathOf(text("context")),
    contexts: some(contextsOf(build["additional_contexts"])),
    dockerfile: text("dockerfile"),
    "dockerfile-inline": text("dockerfile_inline"),
    args: some(argsOf(build, service, lookUp)),
    labels: some(new Map(Object.entries(pairs(build["labels"], "labels")).map(([key, value]) => [key, shown(value)]))),
    tags: texts("tags"),
    "cache-from": texts("cache_from").flatMap((cache) => [...parseCaches(cache)]),
    "cache-to": texts("cache_to").flatMap((cache) => [...parseCaches(cache)]),
    target: text("target"),
    secret: listOf(build["secrets"], "secrets").map((secret) => secretOf(secret, model)),
    ssh: sshOf(build["ssh"]),
    platforms: texts("platforms"),
    pull: flag("pull"),
    "no-cache": flag("no_cache"),
    network: text("network"),
    "shm-size": shm === undefined ? undefined : sizeText(parseSize(shm, "shm_size")),
    ulimits: ulimitsOf(build["ulimits"]),
    attest: ["sbom", "provenance"].flatMap((type) => [...parseAttests(attestText(type, text(type)))]),
    "extra-hosts": some(
      new Map(
        Object.entries(pairs(build["extra_hosts"], "extra_hosts")).map(([host, ip]) => [
          host,
          listOf(ip, "extra_hosts").map(shown).join(","),
        ]),
      ),
    ),
  };
  const target = withExtension(said(all), build["x-bake"]);
  const image = service["image"];
  return target.tags !== undefined || !image ? target : { ...target, tags: [textOf(image, "image")] };
}

/** Clean; what is no path stays. */
function pathOf(text: string | undefined): string | undefined {
  return text === undefined || text === "" || /^[\w-]+:/.test(text) || text.includes("@") ? text : cleanPath(text);
}

/** What is empty was not said. */
function said(all: { readonly [K in keyof Target]?: Target[K] | undefined }): Target {
  const filled = Object.entries(all).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(filled);
}

function some<T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> | undefined {
  return map.size === 0 ? undefined : map;
}

function shown(data: Data): string {
  return data === null ? "" : textOf(data, "a value");
}

/** An argument without a value has that of the service's environment, or of ours. */
function argsOf(build: DataMap, service: DataMap, lookUp: LookUp): ReadonlyMap<string, string> {
  const ofService = { ...environmentFiles(service, lookUp), ...pairs(service["environment"], "environment") };
  return new Map(
    Object.entries(pairs(build["args"], "args")).flatMap(([name, value]) => {
      const found = value ?? ofService[name] ?? lookUp(name);
      return found === undefined || found === null ? [] : [[name, textOf(found, "args")] as const];
    }),
  );
}

/** What the files of `env_file` set; one with `required: false` need not be there. */
function environmentFiles(service: DataMap, lookUp: LookUp): Readonly<Record<string, Data>> {
  const found = new Map<string, string>();
  const data = service["env_file"];
  for (const entry of isMap(data) ? [data] : listOf(data, "env_file")) {
    const path = textOf(isMap(entry) ? (entry["path"] ?? "") : entry, "env_file");
    if (isMap(entry) && entry["required"] === false && !existsSync(path)) continue;
    for (const [name, value] of parseDotenv(readText(path), (key) => lookUp(key) ?? found.get(key)))
      found.set(name, value);
  }
  return Object.fromEntries(found);
}

function contextsOf(data: Data | undefined): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(pairs(data, "additional_contexts")).map(([name, value]) => {
      const text = shown(value);
      const [, other] = /^(?:service|target):(.*)$/s.exec(text) ?? [];
      return [name, other === undefined ? (pathOf(text) ?? "") : `target:${sanitizeName(other)}`];
    }),
  );
}

function secretOf(secret: Data, model: DataMap): { id: string; src: string; env: string } {
  const id = isMap(secret) ? textOf(secret["source"] ?? "", "secrets") : textOf(secret, "secrets");
  const declared = mapOf(mapOf(model["secrets"] ?? {}, "secrets")[id] ?? {}, `secret "${id}"`);
  if (declared["external"] === true) throw new BuildError("CONFIG", `unsupported external secret "${id}"`);
  return { id, src: pathOf(shown(declared["file"] ?? null)) ?? "", env: shown(declared["environment"] ?? null) };
}

function sshOf(data: Data | undefined): readonly SshEntry[] {
  const agents = isMap(data)
    ? Object.entries(data).map(([id, path]) => ({ id, paths: path === null ? [] : [textOf(path, "ssh")] }))
    : listOf(data, "ssh").flatMap((item) => [...parseSsh(textOf(item, "ssh"))]);
  return agents
    .map(({ id, paths }) => ({ id, paths: paths.map(cleanPath) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function ulimitsOf(data: Data | undefined): readonly string[] {
  return Object.entries(isMap(data) ? data : {})
    .map(([name, limit]) => {
      const [soft, hard] = isMap(limit) ? [limit["soft"], limit["hard"]] : [limit, limit];
      return `${name}=${shown(soft ?? null)}:${shown(hard ?? null)}`;
    })
    .toSorted();
}

function attestText(type: string, value: string | undefined): string {
  if (value === undefined) return "";
  if (value === "true" || value === "false") return `type=${type},disabled=${value === "true" ? "false" : "true"}`;
  return `type=${type},${value}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** As docker writes sizes: four digits that count. */
function sizeText(bytes: number): string {
  let [size, unit] = [bytes, 0];
  for (; size >= 1024 && unit < UNITS.length - 1; unit++) size /= 1024;
  return `${Number(size.toPrecision(4))}${UNITS[unit] ?? ""}`;
}

const EXTENSION = new Set([
  ...["tags", "cache-from", "cache-to", "secret", "ssh", "platforms", "output", "pull", "no-cache"],
  ...["no-cache-filter", "contexts"],
]);

/** `x-bake`: what compose files have no word for. */
function withExtension(target: Target, extension: Data | undefined): Target {
  if (extension === undefined || extension === null) return target;
  const data = mapOf(extension, "x-bake");
  for (const key of Object.keys(data))
    if (!EXTENSION.has(key)) throw new BuildError("CONFIG", `x-bake has no field "${key}"`);
  // One text is several words.
  const texts = (key: string): string[] =>
    listOf(data[key], `x-bake ${key}`).flatMap((item) =>
      Array.isArray(data[key]) ? [textOf(item, key)] : textOf(item, key).split(/\s+/),
    );
  const flag = (key: string): boolean | undefined => (data[key] === undefined ? undefined : data[key] === true);
  const merged = mergeTargets(
    target,
    said({
      "cache-from": texts("cache-from").flatMap((text) => [...parseCaches(text)]),
      secret: texts("secret").flatMap((text) => [...parseSecrets(text)]),
      ssh: texts("ssh").flatMap((text) => [...parseSsh(text)]),
      "no-cache-filter": texts("no-cache-filter"),
      pull: flag("pull"),
      "no-cache": flag("no-cache"),
    }),
  );
  const cacheTo = texts("cache-to").flatMap((text) => [...parseCaches(text)]);
  const output = texts("output").flatMap((text) => [...parseExports(text)]);
  return said({
    ...merged,
    tags: [...new Set([...(target.tags ?? []), ...texts("tags")])],
    platforms: [...new Set([...(target.platforms ?? []), ...texts("platforms")])],
    "cache-to": [...(target["cache-to"] ?? []), ...cacheTo],
    output: [...(target.output ?? []), ...output],
    contexts: some(new Map([...contextsOf(data["contexts"]), ...(target.contexts ?? [])])),
    ssh: merged.ssh?.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  });
}

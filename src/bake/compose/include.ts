// `include` of compose files: other files with a folder and variables of their own, whose services and secrets are there
// as well (compose-spec, 14-include.md).

import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { BuildError } from "../../../builder/core/errors.ts";
import type { SourceFile } from "../hcl/source.ts";
import { parseDotenv } from "./dotenv.ts";
import type { LookUp } from "./interpolate.ts";
import type { Data, DataMap } from "./model.ts";
import { extended, isMap, listOf, mapOf, mergeData, pairs, readModel, readText, textOf } from "./model.ts";

const DEEPEST = 20;
const SECTIONS = ["services", "secrets"] as const;

/** A file with what it extends and includes; `directory` is what paths of `include` start from. Throws `CONFIG`, `INPUT_MISSING`. */
export function wholeModel(file: SourceFile, lookUp: LookUp, directory = "", depth = 0): DataMap {
  if (depth > DEEPEST) throw new BuildError("CONFIG", `${file.name}: files include each other`);
  const { include = null, ...own } = extended(readModel(file, lookUp), file, lookUp);
  const all: Record<string, Data> = { ...own };
  for (const entry of listOf(include, "include")) {
    const other = included(isMap(entry) ? entry : { path: entry }, lookUp, directory, depth);
    for (const section of SECTIONS) {
      const here = mapOf(all[section] ?? {}, section);
      const more = mapOf(other[section] ?? {}, section);
      for (const [name, value] of Object.entries(more))
        if (name in here && !isDeepStrictEqual(here[name], value))
          throw new BuildError("CONFIG", `${file.name}: ${section} "${name}" is in an included file as well`);
      all[section] = { ...more, ...here };
    }
  }
  return all;
}

function included(entry: DataMap, lookUp: LookUp, directory: string, depth: number): DataMap {
  const paths = listOf(entry["path"], "include").map((path) => within(directory, textOf(path, "include")));
  const [first] = paths;
  if (first === undefined) throw new BuildError("CONFIG", "include names no file");
  const said = entry["project_directory"] ?? null;
  const project = said === null ? dirname(first) : within(directory, textOf(said, "project_directory"));
  const files = listOf(entry["env_file"], "env_file").map((path) => within(directory, textOf(path, "env_file")));
  const variables = new Map<string, string>();
  const known: LookUp = (name) => lookUp(name) ?? variables.get(name);
  for (const path of files.length > 0 ? files : [join(project, ".env")].filter((path) => existsSync(path)))
    for (const [name, value] of parseDotenv(readText(path), known)) variables.set(name, value);
  const model = paths.reduce<Data | undefined>((before, name) => {
    const file = { name, text: readText(name) };
    return mergeData(before, wholeModel(file, known, project, depth + 1));
  }, undefined);
  return inFolder(mapOf(model ?? {}, first), project);
}

/** Its paths as they are from outside of its folder. */
function inFolder(model: DataMap, folder: string): DataMap {
  const local = (data: Data | undefined): Data =>
    typeof data === "string" && data !== "" && !/^[\w-]+:/.test(data) && !data.includes("@")
      ? within(folder, data)
      : (data ?? null);
  const services = Object.entries(mapOf(model["services"] ?? {}, "services")).map(([name, service]) => {
    if (!isMap(service) || (service["build"] ?? null) === null) return [name, service] as const;
    const build = isMap(service["build"]) ? service["build"] : { context: service["build"] ?? null };
    const contexts = Object.entries(pairs(build["additional_contexts"], "additional_contexts"));
    const moved = {
      ...build,
      context: local(build["context"] ?? "."),
      ...(contexts.length === 0
        ? {}
        : { additional_contexts: Object.fromEntries(contexts.map(([key, value]) => [key, local(value)])) }),
    };
    return [name, { ...service, build: moved }] as const;
  });
  const secrets = Object.entries(mapOf(model["secrets"] ?? {}, "secrets")).map(([name, secret]) =>
    isMap(secret) && secret["file"] !== undefined
      ? ([name, { ...secret, file: local(secret["file"]) }] as const)
      : ([name, secret] as const),
  );
  return { ...model, services: Object.fromEntries(services), secrets: Object.fromEntries(secrets) };
}

function within(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

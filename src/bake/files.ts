// Which files a definition is read from, and reading them.

import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError, isErrno } from "../../builder/core/errors.ts";
import type { Environment } from "../config/environment.ts";
import type { SourceFile } from "./hcl/source.ts";
import { HERE } from "./paths.ts";

/** As buildx looks for them; all that are there count, in this order. */
export const DEFAULT_NAMES = [
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
  "docker-bake.json",
  "docker-bake.hcl",
  "docker-bake.override.json",
  "docker-bake.override.hcl",
];
/** More than any definition has. */
const LARGEST_BYTES = 16 << 20;

/** The files of these names (`-` is standard input), else the usual ones. Throws `INPUT_MISSING`. */
export async function readDefinitions(
  names: readonly string[],
  stdin: () => AsyncIterable<Uint8Array>,
): Promise<readonly SourceFile[]> {
  if (names.length === 0) return await readUsual((name) => name);
  return await Promise.all(names.map((name) => readOne(hereName(name), stdin)));
}

function hereName(name: string): string {
  return name.startsWith(HERE) ? name.slice(HERE.length) : name;
}

/** The names that `-f` gives, else those of BUILDX_BAKE_FILE; none: the usual ones. */
export function definitionNames(flags: readonly string[], environment: Environment): readonly string[] {
  return flags.length > 0 ? flags : namedByEnvironment(environment);
}

/** Where a definition lies elsewhere: the names that are to be found there, and those of this machine (`cwd://`). */
export function namesBySide(names: readonly string[]): { readonly there: string[]; readonly here: string[] } {
  const here = names.filter((name) => name.startsWith(HERE));
  return { there: names.filter((name) => !name.startsWith(HERE)), here };
}

/** The files of these names in a folder, else the usual ones; their names stay as they are. Throws `INPUT_MISSING`. */
export async function readFilesIn(folder: string, names: readonly string[]): Promise<readonly SourceFile[]> {
  if (names.length === 0) return await readUsual((name) => join(folder, name));
  return await Promise.all(
    names.map(async (name) => {
      try {
        return await readPath(name, join(folder, posix.normalize(`/${name}`)));
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR"))
          throw new BuildError("INPUT_MISSING", `there is no "${name}" where the definition lies`, { cause: error });
        throw unreadable(name, error);
      }
    }),
  );
}

async function readUsual(pathOf: (name: string) => string): Promise<readonly SourceFile[]> {
  const found = await Promise.all(DEFAULT_NAMES.map((name) => readIfThere(name, pathOf(name))));
  const files = found.filter((file) => file !== undefined);
  if (files.length === 0)
    throw new BuildError("INPUT_MISSING", "couldn't find a bake definition", {
      hint: "name one with -f, or write docker-bake.hcl",
    });
  return files;
}

function namedByEnvironment(environment: Environment): readonly string[] {
  const text = environment["BUILDX_BAKE_FILE"];
  if (text === undefined) return [];
  const separator = environment["BUILDX_BAKE_PATH_SEPARATOR"] || ":";
  return text
    .split(separator)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

async function readIfThere(name: string, path: string): Promise<SourceFile | undefined> {
  try {
    return await readPath(name, path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw unreadable(name, error);
  }
}

async function readOne(name: string, stdin: () => AsyncIterable<Uint8Array>): Promise<SourceFile> {
  if (name === "-") {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stdin()) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > LARGEST_BYTES) throw new BuildError("CONFIG", "the bake definition on standard input is too large");
    }
    return { name: "-", text: Buffer.concat(chunks).toString("utf8") };
  }
  try {
    return await readPath(name, name);
  } catch (error) {
    throw unreadable(name, error);
  }
}

async function readPath(name: string, path: string): Promise<SourceFile> {
  const { size } = await stat(path);
  if (size > LARGEST_BYTES)
    throw new BuildError("CONFIG", `the bake definition "${name}" is too large (${size} bytes)`);
  return { name, text: await readFile(path, "utf8") };
}

function unreadable(name: string, error: unknown): unknown {
  if (error instanceof BuildError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new BuildError("INPUT_MISSING", `the bake definition "${name}" cannot be read`, { cause: error, hint: why });
}

// Which files a definition is read from, and reading them.

import { readFile, stat } from "node:fs/promises";
import { BuildError, isErrno } from "../../builder/core/errors.ts";
import type { Environment } from "../config/environment.ts";
import type { SourceFile } from "./hcl/source.ts";

/** As buildx looks for them; all that are there count, in this order. */
const DEFAULT_NAMES = [
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

/** The files that `-f` names, else those of BUILDX_BAKE_FILE, else the usual ones. Throws `INPUT_MISSING`. */
export async function readDefinitions(
  flags: readonly string[],
  environment: Environment,
  stdin: () => AsyncIterable<Uint8Array>,
): Promise<readonly SourceFile[]> {
  const named = flags.length > 0 ? flags : namedByEnvironment(environment);
  if (named.length > 0) return await Promise.all(named.map((name) => readOne(name.replace(/^cwd:\/\//, ""), stdin)));
  const found = await Promise.all(DEFAULT_NAMES.map(readIfThere));
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

async function readIfThere(name: string): Promise<SourceFile | undefined> {
  try {
    return await readPath(name);
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
    return await readPath(name);
  } catch (error) {
    throw unreadable(name, error);
  }
}

async function readPath(name: string): Promise<SourceFile> {
  const { size } = await stat(name);
  if (size > LARGEST_BYTES)
    throw new BuildError("CONFIG", `the bake definition "${name}" is too large (${size} bytes)`);
  return { name, text: await readFile(name, "utf8") };
}

function unreadable(name: string, error: unknown): unknown {
  if (error instanceof BuildError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new BuildError("INPUT_MISSING", `the bake definition "${name}" cannot be read`, { cause: error, hint: why });
}

// A folder as build context: its Dockerfile, and the file that says what is left out of it.

import { realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { BuildError, isErrno } from "../core/errors.ts";
import { readSmallFile } from "../core/system/small-file.ts";

/** A Dockerfile that was read from disk. */
export interface DockerfileOnDisk {
  readonly bytes: Uint8Array;
  /** Name for people. */
  readonly name: string;
  readonly path: string;
}

/** An ignore file that was read. */
export interface IgnoreFile {
  readonly text: string;
  /** Name for people. */
  readonly name: string;
  /** It is the Dockerfile's own (`<Dockerfile>.dockerignore`), not the context's. */
  readonly isOwn: boolean;
}

/** The real path of a folder. Throws `CONTEXT` when it is not there or none. */
export async function existingDirectory(path: string): Promise<string> {
  try {
    if (!statSync(path).isDirectory())
      throw new BuildError("CONTEXT", `the build context "${path}" is not a directory`);
    return realpathSync.native(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR"))
      throw new BuildError("CONTEXT", `the build context "${path}" does not exist`, { cause: error });
    if (isErrno(error, "EACCES"))
      throw new BuildError("CONTEXT", `the build context "${path}" cannot be read`, { cause: error });
    throw error;
  }
}

/** The Dockerfile of a folder: the one that was named (from the working directory, else inside the folder), or its default. Throws `INPUT_MISSING`. */
export async function readDockerfileIn(directory: string, asked: string | undefined): Promise<DockerfileOnDisk> {
  if (asked === undefined) return await readFirst(directory, candidates([join(directory, "Dockerfile")]), "Dockerfile");
  const inside = join(directory, asked);
  return await readFirst(directory, candidates(isAbsolute(asked) ? [asked, inside] : [resolve(asked), inside]), asked);
}

/** A Dockerfile by its path alone. Throws `INPUT_MISSING`. */
export async function readDockerfileAt(path: string): Promise<DockerfileOnDisk> {
  return await readFirst(dirname(path), candidates([path]), path);
}

/** The text of `<Dockerfile>.dockerignore`, else of the folder's `.dockerignore`; undefined when there is neither. Throws `CONTEXT`. */
export async function readIgnoreFile(
  directory: string,
  dockerfile: string | undefined,
): Promise<IgnoreFile | undefined> {
  const own = dockerfile === undefined ? undefined : `${dockerfile}.dockerignore`;
  for (const path of [...(own === undefined ? [] : [own]), join(directory, ".dockerignore")]) {
    try {
      const text = (await readSmallFile(path)).toString("utf8");
      const inside = relative(directory, path);
      return { text, name: inside.startsWith("..") ? path : inside, isOwn: path === own };
    } catch (error) {
      // A directory of that name is no ignore file, as in BuildKit.
      if (!isErrno(error, "ENOENT", "ENOTDIR", "EISDIR"))
        throw new BuildError("CONTEXT", `cannot read "${path}"`, { cause: error });
    }
  }
  return undefined;
}

/** "Dockerfile" may also be spelled in lower case. */
function candidates(paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    basename(path) === "Dockerfile" ? [path, join(dirname(path), "dockerfile")] : [path],
  );
}

async function readFirst(directory: string, paths: readonly string[], asked: string): Promise<DockerfileOnDisk> {
  for (const path of paths) {
    try {
      const bytes = await readSmallFile(path);
      return { bytes, path, name: asked === "Dockerfile" ? basename(path) : displayed(directory, path, asked) };
    } catch (error) {
      if (isErrno(error, "EISDIR"))
        throw new BuildError("INPUT_MISSING", `"${path}" is a directory, not a Dockerfile`, { cause: error });
      if (!isErrno(error, "ENOENT", "ENOTDIR"))
        throw new BuildError("INPUT_MISSING", `cannot read the Dockerfile "${path}"`, { cause: error });
    }
  }
  throw noDockerfile(
    asked,
    paths.map((path) => dirname(path)),
  );
}

/** The error for a Dockerfile that is not there. */
export function noDockerfile(asked: string, places: readonly string[]): BuildError {
  return new BuildError("INPUT_MISSING", `failed to read dockerfile: open ${asked}: no such file or directory`, {
    hint: `looked in ${[...new Set(places)].map((place) => `"${place}"`).join(" and ")}; name another one with -f`,
  });
}

function displayed(directory: string, path: string, asked: string): string {
  const inside = relative(directory, path);
  return isAbsolute(asked) && !inside.startsWith("..") ? inside : asked;
}

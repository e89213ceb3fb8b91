// A build context, open: its files as a directory on this machine, its Dockerfile and
// its ignore file.

import { readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { BuildError, isErrno } from "../core/errors.ts";
import type { LayerJobs } from "../layer/jobs.ts";

/** Where a context comes from (the engine's request has the same shape). */
export type ContextLocation =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "stream"; readonly open: () => AsyncIterable<Uint8Array> }
  | { readonly kind: "git"; readonly url: string }
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "image" | "oci-layout" | "docker-archive" };

export type DockerfileLocation =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "default" }
  | { readonly kind: "stream"; readonly open: () => AsyncIterable<Uint8Array> }
  | { readonly kind: "http"; readonly url: string };

export interface OpenContextOptions {
  /** Where downloads and archives are unpacked. */
  readonly workDirectory: string;
  readonly jobs: LayerJobs;
  readonly environment: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** An open context; disposing it removes what was downloaded for it. */
export interface ContextFiles extends AsyncDisposable {
  /** Absolute path of the directory with its files. */
  readonly directory: string;
  /** The Dockerfile, from its path or stream; remembers where, for the ignore file. */
  dockerfile(location: DockerfileLocation, signal: AbortSignal): Promise<{ readonly bytes: Uint8Array; readonly name: string }>;
  /** Text of `<Dockerfile>.dockerignore` or `.dockerignore`; undefined when there is neither. Call after `dockerfile`. */
  readIgnoreFile(): Promise<string | undefined>;
  /** Name of the ignore file that was read, for messages. */
  readonly ignoreFileName: string | undefined;
}

/** Opens a context. Throws `CONTEXT` or `INPUT_MISSING` when it is not there or no directory. */
export async function openContext(location: ContextLocation, options: OpenContextOptions): Promise<ContextFiles> {
  if (location.kind === "directory") return new DirectoryContext(await existingDirectory(location.path));
  throw new BuildError("UNSUPPORTED", `a ${location.kind} build context is not supported yet`, { hint: `unpack it into a folder below ${options.workDirectory} first` });
}

async function existingDirectory(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isDirectory()) throw new BuildError("CONTEXT", `the build context "${path}" is not a directory`);
    return await realpath(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw new BuildError("CONTEXT", `the build context "${path}" does not exist`, { cause: error });
    if (isErrno(error, "EACCES")) throw new BuildError("CONTEXT", `the build context "${path}" cannot be read`, { cause: error });
    throw error;
  }
}

class DirectoryContext implements ContextFiles {
  readonly directory: string;
  /** Absolute path of the Dockerfile, once it was read from a file. */
  #dockerfilePath: string | undefined;
  #ignoreFileName: string | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  get ignoreFileName(): string | undefined {
    return this.#ignoreFileName;
  }

  async dockerfile(location: DockerfileLocation): Promise<{ bytes: Uint8Array; name: string }> {
    switch (location.kind) {
      case "stream":
        return { bytes: await collect(location.open()), name: "Dockerfile" };
      case "http":
        throw new BuildError("UNSUPPORTED", "a Dockerfile from a URL is not supported yet");
      case "default":
        return await this.#first([join(this.directory, "Dockerfile"), join(this.directory, "dockerfile")], "Dockerfile");
      case "path": {
        const inside = join(this.directory, location.path);
        const places = isAbsolute(location.path) ? [location.path, inside] : [resolve(location.path), inside];
        return await this.#first(places, location.path);
      }
    }
  }

  async readIgnoreFile(): Promise<string | undefined> {
    const own = this.#dockerfilePath === undefined ? [] : [`${this.#dockerfilePath}.dockerignore`];
    for (const path of [...own, join(this.directory, ".dockerignore")]) {
      try {
        const text = await readFile(path, "utf8");
        this.#ignoreFileName = isAbsolute(relative(this.directory, path)) ? path : relative(this.directory, path);
        return text;
      } catch (error) {
        if (!isErrno(error, "ENOENT", "ENOTDIR")) throw new BuildError("CONTEXT", `cannot read "${path}"`, { cause: error });
      }
    }
    return undefined;
  }

  async #first(paths: readonly string[], asked: string): Promise<{ bytes: Uint8Array; name: string }> {
    for (const path of paths) {
      try {
        const bytes = await readFile(path);
        this.#dockerfilePath = path;
        return { bytes, name: asked === "Dockerfile" ? basename(path) : displayed(this.directory, path, asked) };
      } catch (error) {
        if (isErrno(error, "EISDIR")) throw new BuildError("INPUT_MISSING", `"${path}" is a directory, not a Dockerfile`, { cause: error });
        if (!isErrno(error, "ENOENT", "ENOTDIR")) throw new BuildError("INPUT_MISSING", `cannot read the Dockerfile "${path}"`, { cause: error });
      }
    }
    throw new BuildError("INPUT_MISSING", `failed to read dockerfile: open ${asked}: no such file or directory`, {
      hint: `looked in ${[...new Set(paths.map((path) => dirname(path)))].map((path) => `"${path}"`).join(" and ")}; name another one with -f`,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function displayed(directory: string, path: string, asked: string): string {
  const inside = relative(directory, path);
  return isAbsolute(asked) && !inside.startsWith("..") ? inside : asked;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

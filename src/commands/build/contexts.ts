// Where the build context, the named contexts and the Dockerfile come from, as the request has it.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { ContextSpec, DockerfileSpec } from "../../../builder/request.ts";
import type { ImageLocation } from "../../../builder/core/image/image-location.ts";
import { locationInName, parseLocation, withPath } from "../../../builder/core/image/image-location.ts";

/** Opens standard input for what the message should name it. */
export type OpenStdin = (what: string) => () => AsyncIterable<Uint8Array>;

/** PATH, URL or -. A folder of that name comes before a URL that looks like it. Throws `CONTEXT`. */
export function mainContext(text: string, openStdin: OpenStdin): ContextSpec {
  if (text === "-") return { kind: "stream", open: openStdin("the build context") };
  if (text === "") throw new BuildError("USAGE", "the path of the build context is empty");
  if (isDirectory(text)) return { kind: "directory", path: resolve(text) };
  const remote = remoteContext(text);
  if (remote !== undefined) return remote;
  if (text.startsWith("oci-layout://")) throw new BuildError("USAGE", "oci-layout:// is for --build-context");
  throw new BuildError("CONTEXT", `unable to prepare context: path "${text}" not found`, {
    hint: exists(text) ? "it is a file; the context is a folder, an archive on stdin (-) or a URL" : undefined,
  });
}

/** `--build-context name=VALUE`, by the name a FROM or --from uses. Throws `USAGE`, `CONTEXT`. */
export function namedContexts(values: readonly string[]): Map<string, ContextSpec> {
  const result = new Map<string, ContextSpec>();
  for (const value of values) {
    const equals = value.indexOf("=");
    if (equals <= 0) throw new BuildError("USAGE", `invalid context value: "${value}", expected key=value`);
    result.set(contextName(value.slice(0, equals)), namedContext(value.slice(equals + 1)));
  }
  return result;
}

/** `-f`: a path as it was written, a URL, or stdin. */
export function dockerfileSpec(text: string | undefined, openStdin: OpenStdin): DockerfileSpec {
  if (text === undefined || text === "") return { kind: "default" };
  if (text === "-") return { kind: "stream", open: openStdin("the Dockerfile") };
  if (/^https?:\/\//.test(text)) return { kind: "http", url: text };
  return { kind: "path", path: text };
}

/** As buildx names them: "docker.io/library/alpine:latest" and "alpine" are one. "alpine::linux/arm64" is for that platform only. */
function contextName(text: string): string {
  const [, name = text, platform = ""] = /^(.*?)(::[\w/.-]+)?$/s.exec(text) ?? [];
  try {
    return familiarReference(parseReference(name)).replace(/:latest$/, "") + platform;
  } catch (error) {
    throw new BuildError("USAGE", `invalid context name "${text}"`, { cause: error });
  }
}

function namedContext(text: string): ContextSpec {
  const image = after(text, "docker-image://");
  if (image !== undefined) {
    parseReference(image);
    return { kind: "image", reference: image };
  }
  const location = imageLocation(text);
  if (location !== undefined) return { kind: "location", location: withPath(location, (path) => resolve(path)) };
  if (/^(target|input|local):/.test(text))
    throw new BuildError("UNSUPPORTED", `--build-context: "${text}" is not supported yet`);
  if (isDirectory(text)) return { kind: "directory", path: resolve(text) };
  const remote = remoteContext(text);
  if (remote !== undefined) return remote;
  throw new BuildError("CONTEXT", `--build-context: there is no folder "${text}"`);
}

function after(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}

/** A layout, an archive or a daemon's image. `docker-archive://path` was the first way to write one here. */
function imageLocation(text: string): ImageLocation | undefined {
  const archive = after(text, "docker-archive://");
  return archive === undefined ? locationInName(text) : parseLocation(`docker-archive:${archive}`);
}

/** What is a URL of a git repository or of a file (BuildKit, dfgitutil). */
function remoteContext(text: string): ContextSpec | undefined {
  if (/^(git|ssh):\/\//.test(text) || /^[\w.-]+@[\w.-]+:/.test(text)) return { kind: "git", url: text };
  if (text.startsWith("github.com/")) return { kind: "git", url: text };
  if (!/^https?:\/\//.test(text)) return undefined;
  return /\.git(#.*|\?.*)?$/.test(text) ? { kind: "git", url: text } : { kind: "http", url: text };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return false;
    throw new BuildError("CONTEXT", `unable to prepare context: cannot look at "${path}"`, {
      cause: error,
      hint: String(error),
    });
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

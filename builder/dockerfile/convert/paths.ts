// Paths of images, as instructions write them: cleaned, joined, relative to WORKDIR.

import { posix } from "node:path";

/** Without ".", "..", doubled and trailing slashes; "" becomes ".". */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** The parts joined and cleaned; "" when all are empty. */
function joinPaths(...parts: string[]): string {
  const text = parts.filter((part) => part !== "").join("/");
  return text === "" ? "" : cleanPath(text);
}

/** A path below the root: "a/../b" becomes "/b". */
export function fromRoot(path: string): string {
  return cleanPath(`/${path}`);
}

/**
 * A path that is relative to `parent` made absolute. An absolute one stays exactly as
 * written: BuildKit shows it so in history and config.
 */
export function absolute(parent: string, path: string): string {
  const base = parent === "" ? "/" : parent.startsWith("/") ? parent : fromRoot(parent);
  const wanted = path === "" ? base : path;
  return wanted.startsWith("/") ? wanted : joinPaths(base, wanted);
}

/** Where COPY and ADD put things: cleaned and absolute, with a trailing slash where a directory is meant ("d/", "d/.", ".", ""). */
export function copyDestination(workingDir: string, path: string): string {
  const isDirectory = path === "" || path === "." || path.endsWith("/") || path.endsWith("/.");
  const clean = cleanPath(absolute(workingDir, path));
  return isDirectory && clean !== "/" ? `${clean}/` : clean;
}

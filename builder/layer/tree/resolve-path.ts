// Following symlinks inside a tree, which is the root of the walk: no link and no
// ".." leads out of it.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { Entry } from "../entry.ts";

/** The least a tree must answer to be walked. */
export interface Statable {
  lstat(path: BytePath): Entry | undefined;
}

/** Where a path leads. */
export interface ResolvedPath {
  /** Relative to the root, without links in it (but for a last part that is not followed). */
  readonly path: BytePath;
  /** What is there; undefined if nothing is, and then `path` is where it would be. */
  readonly entry: Entry | undefined;
}

const MAX_LINKS = 255;

/**
 * Resolves a path as the kernel does in a chroot. What is missing is taken as a plain name, so that a path
 * to be made resolves too. Throws for a loop and where a part that is not the last is a file.
 */
export function resolvePath(tree: Statable, path: BytePath, options: { readonly followLast: boolean }): ResolvedPath {
  const parts = path.split("/").reverse();
  let at = "";
  let entry = tree.lstat("");
  let links = 0;
  while (parts.length > 0) {
    const part = parts.pop();
    if (part === undefined || part === "" || part === ".") continue;
    if (entry !== undefined && entry.type !== "dir") throw notDirectory(at);
    if (part === "..") {
      at = parentOf(at);
      entry = tree.lstat(at);
      continue;
    }
    const next: BytePath = joinBytes(at, part);
    const found: Entry | undefined = entry && tree.lstat(next);
    const isLast = parts.every((rest) => rest === "" || rest === ".");
    if (found?.type === "symlink" && (!isLast || options.followLast)) {
      if (++links > MAX_LINKS) throw tooManyLinks(path);
      const target: BytePath = found.link ?? "";
      if (target.startsWith("/")) at = "";
      entry = tree.lstat(at);
      parts.push(...target.split("/").reverse());
      continue;
    }
    at = next;
    entry = found;
  }
  return { path: at, entry };
}

/**
 * Resolves a path as BuildKit does for the paths of COPY (continuity's RootPath): links are followed, the last
 * part's too, but ".." in a link's target is taken away together with the name before it, even if that is a link.
 */
export function rootPath(tree: Statable, path: BytePath): BytePath {
  let current = cleanAbsolute(path);
  const walk: Walk = { links: 0, missing: undefined };
  for (;;) {
    const before = walk.links;
    const next = cleanAbsolute(walkLinks(tree, current, walk));
    if (walk.links === before) return next.slice(1);
    if (walk.links > MAX_LINKS) throw tooManyLinks(path);
    current = next;
  }
}

/** The path as `rootPath` has it, but for a last part that is a link: that stays. */
export function rootPathOfParent(tree: Statable, path: BytePath): BytePath {
  const clean = cleanAbsolute(path).slice(1);
  if (clean === "") return "";
  return joinBytes(rootPath(tree, parentOf(clean)), clean.slice(clean.lastIndexOf("/") + 1));
}

/** An absolute path without "", "." and ".." parts; ".." at the root stays there. */
export function cleanAbsolute(path: BytePath): BytePath {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") kept.pop();
    else kept.push(part);
  }
  return `/${kept.join("/")}`;
}

interface Walk {
  links: number;
  /** The last path that was not there: what is beneath it is not looked for, since a path may have thousands of parts. */
  missing: BytePath | undefined;
}

// One pass over the parts, each link replaced once.
function walkLinks(tree: Statable, path: BytePath, walk: Walk): BytePath {
  if (path === "/") return path;
  const slash = path.lastIndexOf("/");
  const directory = slash === 0 ? "/" : walkLinks(tree, path.slice(0, slash), walk);
  const here = cleanAbsolute(`${directory}/${path.slice(slash + 1)}`);
  const name = here.slice(1);
  const isBeneathMissing = walk.missing !== undefined && parentOf(name) === walk.missing;
  const entry = isBeneathMissing ? undefined : statThrough(tree, name);
  if (entry === undefined) walk.missing = name;
  if (entry?.type !== "symlink") return here;
  walk.links++;
  const target = entry.link ?? "";
  return cleanAbsolute(target.startsWith("/") ? target : `${directory}/${target}`);
}

function statThrough(tree: Statable, path: BytePath): Entry | undefined {
  const entry = tree.lstat(path);
  if (entry !== undefined || path === "") return entry;
  const parent = statThrough(tree, parentOf(path));
  if (parent !== undefined && parent.type !== "dir" && parent.type !== "symlink") throw notDirectory(parentOf(path));
  return undefined;
}

function notDirectory(path: BytePath): BuildError {
  return new BuildError("CONTEXT", `"/${displayPath(path)}" is not a directory`);
}

function tooManyLinks(path: BytePath): BuildError {
  return new BuildError("CONTEXT", `too many links while following "/${displayPath(path).replace(/^\/+/, "")}"`);
}

// The first half of a copy: which entries of the source it takes, by patterns, links
// and exclusions. Nothing of the destination is known here.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, bytePath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import { BadPattern, compileGlob } from "../../core/patterns/glob.ts";
import type { Glob } from "../../core/patterns/glob.ts";
import type { PatternList, PatternWalk } from "../../core/patterns/pattern.ts";
import { compilePatterns } from "../../core/patterns/pattern.ts";
import type { CopyAction } from "../../graph/op.ts";
import type { Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { rootPath, rootPathOfParent } from "../../layer/tree/resolve-path.ts";
import type { Listable } from "./missing.ts";
import { missingSource } from "./missing.ts";

/** An entry that is copied. */
export interface SelectedItem {
  /** Relative to what was selected; "" for that itself. */
  readonly name: BytePath;
  /** Where it is in the source. */
  readonly path: BytePath;
  readonly entry: Entry;
  /** A directory that is only there for what is selected below it: an existing one keeps its owner. */
  readonly isParentOnly: boolean;
}

/** One thing that the source names: a file, or a directory with all that is taken from it. */
export interface SelectedSource {
  /** The name it has in a directory it is copied into: of the link, where it was reached through one. */
  readonly name: BytePath;
  /** Where it is in the source, links followed. */
  readonly path: BytePath;
  /** In the order they are made: directories before what is in them. */
  readonly items: readonly SelectedItem[];
}

const KNOWN = new WeakMap<FileTree, Map<CopyAction, readonly SelectedSource[]>>();

/**
 * What a copy takes from its source; found once, as the key, the copy and whoever reads ahead ask for the same. Throws
 * `CONTEXT` or `INPUT_MISSING` when what it names is not there.
 */
export function select(action: CopyAction, tree: FileTree): readonly SelectedSource[] {
  let known = KNOWN.get(tree);
  if (known === undefined) KNOWN.set(tree, (known = new Map<CopyAction, readonly SelectedSource[]>()));
  let selected = known.get(action);
  if (selected === undefined) known.set(action, (selected = find(action, tree)));
  return selected;
}

function find(action: CopyAction, tree: FileTree): SelectedSource[] {
  const { start, include } = startOf(action);
  let starts = action.allowWildcard ? expandWildcards(tree, start, action.followSymlinks) : [bytePath(start)];
  const [named] = action.parents ? (include ?? []) : [];
  if (tree.origin === "client" && named !== undefined && hasWildcards(start))
    starts = onlySent(tree, starts, `${start}/${named}`);
  if (starts.length === 0 && !action.allowEmptyWildcard) throw missingSource(tree, bytePath(start));
  const filter = new Filter(include, action.excludes);
  const selected = starts.map((path) => selectFrom(tree, path, action, filter));
  // Without wildcards --parents must find what it names: more than the directory it starts in.
  const isNamed = named !== undefined && !hasWildcards(start) && !hasWildcards(named);
  if (isNamed && selected.every(({ items }) => items.length <= 1))
    throw missingSource(tree, bytePath(`${start}/${named}`));
  for (const required of (action.required ?? []).map(bytePath))
    if (!selected.some(({ items }) => items.some(({ path }) => `/${path}`.startsWith(required))))
      throw missingSource(tree, required);
  return selected;
}

/**
 * Those of `paths` (absolute) that a client would send for `source` (text): what it names as a pattern of an ignore file,
 * and the directories on the way there. BuildKit looks for the beginnings of a copy among these alone.
 */
function onlySent(tree: FileTree, paths: readonly BytePath[], source: string): BytePath[] {
  const root = rootPath(tree, bytePath("/"));
  const entry = tree.lstat(root);
  if (entry === undefined) return [];
  const walk = new SelectionWalk(tree, new Filter([source.replace(/^\/+/, "")], []));
  walk.add({ name: "", path: root, entry });
  const sent = new Set(walk.items.map(({ path }) => path));
  return paths.filter((path) => sent.has(path.slice(1)));
}

/** Where a copy begins, as text, and the patterns of what it takes below that: with `--parents` one. */
function startOf(action: CopyAction): { start: string; include: readonly string[] | undefined } {
  if (!action.parents) return { start: action.source, include: action.includes };
  const pivot = action.source.indexOf("/./");
  if (pivot < 0) return { start: "/", include: [action.source.replace(/^\/+/, "")] };
  return { start: action.source.slice(0, pivot) || "/", include: [action.source.slice(pivot + 3)] };
}

/** Where a copy begins if it takes what is at one path, as a path of a tree; undefined where patterns say what it takes. */
export function plainStart(action: CopyAction): BytePath | undefined {
  const { start, include } = startOf(action);
  if (include !== undefined || (action.allowWildcard && hasWildcards(start))) return undefined;
  return plainPath(start);
}

/** A path in a tree, as text, without what means nothing; undefined where it goes up. */
export function plainPath(text: string): BytePath | undefined {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  return parts.includes("..") ? undefined : bytePath(parts.join("/"));
}

function selectFrom(tree: FileTree, start: BytePath, action: CopyAction, filter: Filter): SelectedSource {
  const path = resolveSource(tree, start, action.followSymlinks);
  const entry = tree.lstat(path);
  if (entry === undefined) throw missingSource(tree, start);
  const walk = new SelectionWalk(tree, filter);
  walk.add({ name: "", path, entry });
  return { name: baseOf(start), path, items: walk.items };
}

function resolveSource(tree: Listable, path: BytePath, followLast: boolean): BytePath {
  return followLast ? rootPath(tree, path) : rootPathOfParent(tree, path);
}

/** Include and exclude patterns, matched against names relative to the start. */
class Filter {
  readonly include: PatternList | undefined;
  readonly exclude: PatternList | undefined;
  /** What every included name begins with, "/" at its end; "" if that is not known. */
  readonly prefix: BytePath;

  constructor(include: readonly string[] | undefined, excludes: readonly string[]) {
    this.include = include === undefined ? undefined : compilePatterns(include, "DOCKERFILE");
    this.exclude = excludes.length === 0 ? undefined : compilePatterns(excludes, "DOCKERFILE");
    const [only = ""] = include?.length === 1 ? include : [];
    const parts = only.split("/").slice(0, -1);
    const special = parts.findIndex((part) => /[*?[\]\\^!]/.test(part));
    const fixed = special < 0 ? parts : parts.slice(0, special);
    this.prefix = fixed.length === 0 ? "" : bytePath(`${fixed.join("/")}/`);
  }
}

interface Walked {
  readonly name: BytePath;
  readonly path: BytePath;
  readonly entry: Entry;
}

interface Parent extends Walked {
  isListed: boolean;
}

class SelectionWalk {
  readonly items: SelectedItem[] = [];
  readonly #parents: Parent[] = [];
  readonly #tree: FileTree;
  readonly #include: PatternWalk | undefined;
  readonly #exclude: PatternWalk | undefined;
  readonly #prefix: BytePath;

  constructor(tree: FileTree, filter: Filter) {
    this.#tree = tree;
    this.#include = filter.include?.walk();
    this.#exclude = filter.exclude?.walk();
    this.#prefix = filter.prefix;
  }

  add(walked: Walked): void {
    const { name, path, entry } = walked;
    const isDirectory = entry.type === "dir";
    // The start itself is taken whatever the patterns say.
    const isTop = name === "";
    const isIncluded = isTop || this.#include === undefined || this.#include.visit(name, isDirectory) !== "kept";
    const exclusion = isTop ? "kept" : (this.#exclude?.visit(name, isDirectory) ?? "kept");
    const isTaken = isIncluded && exclusion === "kept";
    if (isTaken) {
      this.#listParents();
      this.items.push({ name, path, entry, isParentOnly: false });
    }
    if (!isDirectory || exclusion === "excluded-tree" || (!isIncluded && !this.#mayHold(name))) return;
    this.#parents.push({ ...walked, isListed: isTaken });
    for (const child of this.#tree.list(path)) {
      const childPath = joinBytes(path, child);
      const childEntry = this.#tree.lstat(childPath);
      if (childEntry) this.add({ name: joinBytes(name, child), path: childPath, entry: childEntry });
    }
    this.#parents.pop();
  }

  #listParents(): void {
    for (const parent of this.#parents) {
      if (parent.isListed) continue;
      parent.isListed = true;
      this.items.push({ name: parent.name, path: parent.path, entry: parent.entry, isParentOnly: true });
    }
  }

  /** Whether something that the include pattern names can be below a directory it does not name. */
  #mayHold(directory: BytePath): boolean {
    const inside = `${directory}/`;
    return this.#prefix.startsWith(inside) || inside.startsWith(this.#prefix);
  }
}

/** Whether a path, as text, has `*`, `?` or `[` that is not escaped. */
function hasWildcards(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const char = path[at];
    if (char === "*" || char === "?" || char === "[") return true;
    if (char === "\\") at++;
  }
  return false;
}

/**
 * The paths that a pattern (text) names, absolute, in the order of a walk. A path without wildcards is itself, whether
 * it exists or not. What is in a directory that matches is not looked at.
 */
export function expandWildcards(tree: Listable, pattern: string, followSymlinks: boolean): BytePath[] {
  const parts = pattern.split("/").filter((part) => part !== "");
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return [bytePath(pattern)];
  const fixed = bytePath(`/${parts.slice(0, first).join("/")}`);
  const base = resolveSource(tree, fixed, followSymlinks);
  if (tree.lstat(base) === undefined) throw missingSource(tree, fixed);
  const wanted = parts.slice(first);
  const matchesWhole = readPattern(wanted.join("/"), pattern);
  // BuildKit also has the client choose by it what to send: there it is a pattern as in an ignore file.
  if (tree.origin === "client") compilePatterns([pattern.replace(/^\/+/, "")], "DOCKERFILE");
  const matches: BytePath[] = [];
  // A bracket may match a slash (Go's filepath.Match): then every depth must be tried.
  const isByPart = !wanted.some((part) => part.includes("["));
  const matchesPart = isByPart ? wanted.map((part) => readPattern(part, pattern)) : [];
  const walk = (directory: BytePath, relative: BytePath, depth: number): void => {
    for (const name of tree.list(directory)) {
      const below = joinBytes(relative, name);
      const path = joinBytes(directory, name);
      if (isByPart && matchesPart[depth]?.(name) !== true) continue;
      if (isByPart ? depth === wanted.length - 1 : matchesWhole(below)) matches.push(`/${path}`);
      else if (tree.lstat(path)?.type === "dir") walk(path, below, depth + 1);
    }
  };
  if (tree.lstat(base)?.type === "dir") walk(base, "", 0);
  return matches;
}

/** Reads a pattern; `whole` is what it is part of. */
function readPattern(pattern: string, whole: string): Glob {
  try {
    return compileGlob(pattern);
  } catch (cause) {
    if (!(cause instanceof BadPattern)) throw cause;
    throw new BuildError("DOCKERFILE", `"${whole}" is not a valid pattern: ${cause.message}`, { cause });
  }
}

// The digest of a part of a file tree as BuildKit computes it (cache/contenthash): of every file its header in the form
// of Docker's old "tarsum" and its bytes, of a directory its own header and what is in it.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, bytePath, joinBytes } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester, digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { compileGlob } from "../../core/patterns/glob.ts";
import { compilePatterns } from "../../core/patterns/pattern.ts";
import type { Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { hashSources } from "../../layer/tree/hash-files.ts";
import { resolvePath } from "../../layer/tree/resolve-path.ts";
import { hasWildcards, isFiltered, type Selector } from "./selector.ts";

/** The digest of what selectors name, in order; undefined when something that is named is not there. */
export async function contentDigest(
  tree: FileTree,
  selectors: readonly Selector[],
  signal: AbortSignal,
): Promise<Digest | undefined> {
  const hash = new ContentHash(tree);
  const wanted = selectors.length === 0 ? [{ path: "/" }] : selectors;
  const found: ((Part & { readonly selector: Selector }) | undefined)[] = wanted.map((selector) => {
    const part = hash.find(selector);
    return part === undefined ? undefined : { ...part, selector };
  });
  if (found.includes(undefined)) return undefined;
  await hash.readFiles(signal);
  const digests = found.flatMap((part) => (part === undefined ? [] : [hash.digestOfPart(part)]));
  return digestOf(digests.join("\0"));
}

/** One path with all below it, or the paths that a pattern takes. */
type Part =
  | { readonly whole: BytePath }
  | {
      /** The pattern's last part, for the one case in which a list of one path counts as that path. */
      readonly base: BytePath;
      readonly prefix: BytePath;
      readonly items: readonly Item[];
    };

/** `path` is what the selector calls it, `at` where it lies. */
interface Item {
  readonly path: BytePath;
  readonly at: BytePath;
  readonly kind: "dir" | "header" | "other";
  /** With all below it: a link that was followed. */
  readonly whole?: BytePath;
}

class ContentHash {
  readonly #tree: FileTree;
  readonly #headers = new Map<BytePath, string>();
  #files: ReadonlyMap<BytePath, Digest> = new Map();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  find(selector: Selector): Part | undefined {
    const path = cleaned(selector.path);
    if (!isFiltered(selector)) {
      const at = this.#resolve(path, selector.followLinks ?? false);
      if (at === undefined) return undefined;
      this.#note(at);
      return { whole: at };
    }
    const [prefix, rest] = selector.wildcard === true ? splitWildcards(path) : [path, ""];
    const start = this.#resolve(prefix, selector.wildcard === true && rest !== "");
    if (start === undefined) return { base: baseOf(path), prefix: absolute(prefix), items: [] };
    const items = included(this.#walk(start, prefix), absolute(path), selector);
    const { required = [] } = selector;
    if (required.some((name) => !items.some((item) => item.path.startsWith(bytePath(name))))) return undefined;
    const noted = items.map((item, at): Item => {
      const followed =
        selector.followLinks === true && this.#tree.lstat(item.at)?.type === "symlink" && !hasHeaderAbove(items, at)
          ? this.#resolve(item.at, true)
          : undefined;
      if (followed === undefined) this.#noteOne(item.at);
      else this.#note(followed);
      return followed === undefined ? item : { ...item, whole: followed };
    });
    return { base: baseOf(path), prefix: absolute(prefix), items: noted };
  }

  /** Reads the bytes of the files that were noted. */
  async readFiles(signal: AbortSignal): Promise<void> {
    const sources = await this.#tree.sources([...this.#headers.keys()], signal);
    const hashed = await hashSources(sources, signal, (path) => Buffer.from(this.#headers.get(path) ?? "", "latin1"));
    this.#files = new Map([...hashed].map(([path, { digest }]) => [path, digest]));
  }

  digestOfPart(part: Part): Digest {
    if ("whole" in part) return this.#digest(part.whole);
    const { items, base, prefix } = part;
    const [only] = items;
    if (only === undefined) return digestOf("");
    if (items.length === 1 && baseOf(only.path) === base) return this.#digestOfItem(only);
    const digester = new Digester();
    for (const item of items) {
      const key = `${item.path.slice(prefix.length)}`.replaceAll("/", "\0") || "\0";
      digester.update(Buffer.from(`${key}${this.#digestOfItem(item)}`, "latin1"));
    }
    return digester.digest();
  }

  #digestOfItem({ at, kind, whole }: Item): Digest {
    if (whole !== undefined) return this.#digest(whole);
    return kind === "header" ? this.#headerDigest(at) : this.#digest(at);
  }

  #digest(path: BytePath): Digest {
    const entry = this.#entry(path);
    if (entry.type !== "dir") return isFile(entry) ? this.#fileDigest(path) : digestLatin1(headerOf(entry, this.#tree));
    const digester = new Digester();
    digester.update(Buffer.from(`\0${this.#headerDigest(path)}`, "latin1"));
    for (const name of this.#tree.list(path))
      digester.update(Buffer.from(`\0${name}${this.#digest(joinBytes(path, name))}`, "latin1"));
    return digester.digest();
  }

  /** Nobody tells BuildKit of the root of a client's folder: it takes it as empty. */
  #headerDigest(path: BytePath): Digest {
    if (path === "" && this.#tree.origin === "client") return digestOf("");
    return digestLatin1(headerOf(this.#entry(path), this.#tree));
  }

  #fileDigest(path: BytePath): Digest {
    const digest = this.#files.get(path);
    if (digest === undefined) throw new BuildError("INTERNAL", "a file's content was not read for its cache key");
    return digest;
  }

  #entry(path: BytePath): Entry {
    return this.#tree.lstat(path) ?? ROOT;
  }

  #note(path: BytePath): void {
    if (this.#noteOne(path) !== "dir") return;
    for (const name of this.#tree.list(path)) this.#note(joinBytes(path, name));
  }

  #noteOne(path: BytePath): Entry["type"] {
    const entry = this.#entry(path);
    if (isFile(entry)) this.#headers.set(path, headerOf(entry, this.#tree));
    return entry.type;
  }

  #resolve(path: BytePath, followLast: boolean): BytePath | undefined {
    try {
      const { path: at, entry } = resolvePath(this.#tree, path, { followLast });
      return entry === undefined && at !== "" ? undefined : at;
    } catch (error) {
      if (error instanceof BuildError) return undefined;
      throw error;
    }
  }

  /** All at and below a path, in the order of BuildKit's radix tree; directories come twice, first with their content. */
  *#walk(at: BytePath, name: BytePath): Generator<Item> {
    const path = absolute(name);
    if (this.#entry(at).type !== "dir") {
      yield { path, at, kind: "other" };
      return;
    }
    yield { path, at, kind: "dir" };
    yield { path, at, kind: "header" };
    for (const child of this.#tree.list(at)) yield* this.#walk(joinBytes(at, child), joinBytes(name, child));
  }
}

const ROOT: Entry = { path: "", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };

/** The paths that patterns take, each after the directories around it (`includedPaths`). */
function included(
  walk: Iterable<Item>,
  path: BytePath,
  { wildcard = false, include = [], exclude = [] }: Selector,
): Item[] {
  const glob = wildcard ? compileGlob(Buffer.from(path, "latin1").toString("utf8")) : undefined;
  const includes = include.length === 0 ? undefined : compilePatterns(include);
  const excludes = exclude.length === 0 ? undefined : compilePatterns(exclude);
  const taken: Item[] = [];
  const takenHeaders = new Set<Item>();
  let headers: Item[] = [];
  let matched: BytePath | undefined;
  for (const item of walk) {
    headers = headers.filter((header) => item.path.startsWith(`${header.path}/`));
    // Of the root only what is in it counts.
    if (item.kind === "header" && item.path === "" && path === "") continue;
    if (glob !== undefined && (matched === undefined || !item.path.startsWith(`${matched}/`))) {
      if (!glob(item.path)) continue;
      matched = item.path;
    }
    const candidate = `${item.path}/`
      .slice((glob === undefined ? path : (matched ?? "")).length + 1)
      .replace(/\/$/, "");
    const isTaken = (includes?.matchesPath(candidate) ?? true) && !(excludes?.matchesPath(candidate) ?? false);
    if (isTaken && item.kind !== "dir") {
      for (const header of headers) {
        if (takenHeaders.has(header)) continue;
        takenHeaders.add(header);
        taken.push(header);
      }
      taken.push(item);
      takenHeaders.add(item);
    }
    if (item.kind === "header") headers.push(item);
  }
  return taken;
}

function hasHeaderAbove(items: readonly Item[], at: number): boolean {
  const path = items[at]?.path ?? "";
  return items.slice(0, at).some((item) => item.kind === "header" && path.startsWith(`${item.path}/`));
}

/** The path before the first part with a wildcard, and the rest. */
function splitWildcards(path: BytePath): readonly [BytePath, BytePath] {
  const parts = path.split("/");
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return [path, ""];
  return [parts.slice(0, first).join("/"), parts.slice(first).join("/")];
}

/** As Go's path.Join("/", path), without the slash in front. */
function cleaned(path: string): BytePath {
  const kept: string[] = [];
  for (const part of bytePath(path).split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") kept.pop();
    else kept.push(part);
  }
  return kept.join("/");
}

function absolute(path: BytePath): BytePath {
  return path === "" ? "" : `/${path}`;
}

function isFile({ type }: Entry): boolean {
  return type === "file" || type === "hardlink";
}

function digestLatin1(text: string): Digest {
  return digestOf(Buffer.from(text, "latin1"));
}

const TYPE_FLAGS: Readonly<Record<string, string>> = { dir: "5", symlink: "2", char: "3", block: "4", fifo: "6" };

/** The header of a file, without its name (tarsum v1). */
function headerOf(entry: Entry, { origin }: FileTree): string {
  const { type, mode, uid, gid, size, link = "", major = 0, minor = 0, xattrs = {} } = entry;
  const isOwned = origin === "image";
  const fields = [
    "name",
    `mode${type === "symlink" ? 0o777 : mode}`,
    `uid${isOwned ? uid : 0}`,
    `gid${isOwned ? gid : 0}`,
    `size${isFile(entry) ? size : 0}`,
    `typeflag${TYPE_FLAGS[type] ?? "0"}`,
    `linkname${type === "symlink" ? link : ""}`,
    "uname",
    "gname",
    `devmajor${type === "char" || type === "block" ? major : 0}`,
    `devminor${type === "char" || type === "block" ? minor : 0}`,
  ];
  const capability = xattrs["security.capability"];
  if (capability !== undefined) fields.push(`security.capability${Buffer.from(capability).toString("latin1")}`);
  return fields.join("");
}

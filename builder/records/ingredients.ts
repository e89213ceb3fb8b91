// What went into a step's key, by name: its command and settings, what it stands on, the files that it reads.

import type { Digest } from "../core/digest.ts";

/** A step that another one stands on or reads from, at the time. */
export interface InputThen {
  /** Its key; of an image the one of its layers. */
  readonly key?: Digest;
  /** "[build 2/5] COPY package.json .". */
  readonly name: string;
  /** "Dockerfile:6". */
  readonly place?: string;
  /** Of a base image: what its name stood for. */
  readonly image?: { readonly name: string; readonly digest: string };
}

/** Files that a step reads. */
export interface ReadThen {
  readonly from: InputThen;
  /** Where a RUN has them mounted. */
  readonly target?: string;
  readonly digest: string;
  /** Whether the list of them is kept, under the digest. */
  readonly isListed: boolean;
}

/** All that a key is made of. */
export interface Ingredients {
  readonly name: string;
  readonly place?: string;
  /** Where the build's context was. */
  readonly context: string;
  /** What the step does: "command", "env PATH", "mount /cache", "option --network" to text. */
  readonly fields: Readonly<Record<string, string>>;
  /** What it stands on: a step or nothing; of a stack of layers all of them. */
  readonly bases: readonly InputThen[];
  readonly reads: readonly ReadThen[];
}

/** One thing that is not as it was. */
export type Difference =
  | { readonly kind: "field"; readonly field: string; readonly from?: string; readonly to?: string }
  | { readonly kind: "base"; readonly from: InputThen; readonly to: InputThen }
  | {
      readonly kind: "image";
      readonly name: string;
      readonly from: string;
      readonly to: string;
      readonly formerName?: string;
    }
  | {
      readonly kind: "files";
      /** What they are read from. */
      readonly of: InputThen;
      /** What it was read from, where that was another thing. */
      readonly formerly?: string;
      /** Digest of the image that it was read from, where the same name stood for another one. */
      readonly formerImage?: string;
      readonly target?: string;
      readonly from: string;
      readonly to: string;
      /** Undefined when a list is not kept any more. */
      readonly files?: readonly FileChange[];
      /** So many more. */
      readonly more?: number;
    };

/** What is known of one entry. */
export interface FileState {
  readonly type: string;
  /** Octal. */
  readonly mode: string;
  readonly owner?: string;
  readonly link?: string;
  readonly capability?: string;
  readonly digest?: string;
}

/** A file that is not as it was; `from` is missing for one that came, `to` for one that went. */
export interface FileChange {
  readonly path: string;
  readonly from?: FileState;
  readonly to?: FileState;
}

/** Reads the lists of files that are kept. */
export type ReadListing = (digest: string) => Promise<ReadonlyMap<string, FileState> | undefined>;

const MOST_FILES = 20;

/** What differs between two keys; empty when only the order of something does. */
export async function differencesOf(now: Ingredients, then: Ingredients, listing: ReadListing): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const field of new Set([...Object.keys(then.fields), ...Object.keys(now.fields)])) {
    const [from, to] = [then.fields[field], now.fields[field]];
    if (from !== to) found.push({ kind: "field", field, ...defined({ from, to }) });
  }
  for (const [to, from] of pairsOfBases(now, then)) if (to.key !== from.key) found.push(baseDifference(to, from));
  for (const [at, read] of now.reads.entries()) {
    const former =
      then.reads.find(({ target }) => read.target !== undefined && target === read.target) ?? then.reads[at];
    if (former === undefined || former.digest === read.digest) continue;
    const [before, after] = await Promise.all([listing(former.digest), listing(read.digest)]);
    const files = before === undefined || after === undefined ? undefined : fileChanges(before, after);
    found.push({
      kind: "files",
      of: read.from,
      ...formerSource(read.from, former.from),
      ...defined({ target: read.target }),
      from: former.digest,
      to: read.digest,
      ...(files === undefined ? {} : { files: files.slice(0, MOST_FILES) }),
      ...(files === undefined || files.length <= MOST_FILES ? {} : { more: files.length - MOST_FILES }),
    });
  }
  return found;
}

const SCRATCH: InputThen = { name: "scratch" };

function pairsOfBases(now: Ingredients, then: Ingredients): (readonly [InputThen, InputThen])[] {
  const count = Math.max(now.bases.length, then.bases.length);
  return Array.from({ length: count }, (_, at) => [now.bases[at] ?? SCRATCH, then.bases[at] ?? SCRATCH]);
}

function baseDifference(to: InputThen, from: InputThen): Difference {
  if (to.image === undefined || from.image === undefined) return { kind: "base", from, to };
  const { name } = to.image;
  const former = from.image.name === name ? {} : { formerName: from.image.name };
  return { kind: "image", name, from: from.image.digest, to: to.image.digest, ...former };
}

function formerSource(now: InputThen, then: InputThen): { formerly?: string; formerImage?: string } {
  if (now.image !== undefined && now.image.name === then.image?.name)
    return now.image.digest === then.image.digest ? {} : { formerImage: then.image.digest };
  return now.name === then.name ? {} : { formerly: then.image?.name ?? then.name };
}

function fileChanges(before: ReadonlyMap<string, FileState>, after: ReadonlyMap<string, FileState>): FileChange[] {
  const found: FileChange[] = [];
  for (const [path, to] of after) {
    const from = before.get(path);
    if (from === undefined || !isSame(from, to)) found.push({ path, ...defined({ from }), to });
  }
  for (const [path, from] of before) if (!after.has(path)) found.push({ path, from });
  // A folder says less than what is in it.
  const rank = (change: FileChange): number => ((change.to ?? change.from)?.type === "dir" ? 1 : 0);
  return found.toSorted((a, b) => rank(a) - rank(b));
}

function isSame(a: FileState, b: FileState): boolean {
  return STATE.every((field) => a[field] === b[field]);
}

/** What a file is compared by. */
const STATE = ["type", "mode", "owner", "link", "capability", "digest"] as const;

/** How much two keys have in common: the lower, the nearer. */
export function distance(now: Ingredients, then: Ingredients): number {
  const fields = new Set([...Object.keys(then.fields), ...Object.keys(now.fields)]);
  const changed = [...fields].filter((field) => then.fields[field] !== now.fields[field]).length;
  const reads = Math.max(now.reads.length, then.reads.length);
  const read = Array.from({ length: reads }, (_, at) => now.reads[at]?.digest !== then.reads[at]?.digest);
  const bases = pairsOfBases(now, then).filter(([to, from]) => to.key !== from.key).length;
  return changed + bases + read.filter(Boolean).length + (now.context === then.context ? 0 : 0.5);
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> }; // what is left of them
}

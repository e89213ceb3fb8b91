// Content digests of a client's files, kept from one build to the next by what the kernel
// says of a file. Size and mtime alone would not do (anybody can set an mtime): the ctime
// changes with every change and cannot be set.
//
// A digest is only kept for a file that had last changed well before this build began. A
// file that changes twice within one tick of the clock could otherwise be changed after it
// was hashed and look the same ("racy git" is the same problem). Only file systems of this
// machine are trusted with such times.
//
// On disk one file a context, replaced by rename: a text that says what it is, ended by NUL; a record a file (two bytes
// for the path's length, the path, fingerprint, digest), the last one of a file counting; and the digest of all that. It is
// read when a digest is wanted, and a few new records are put behind the old ones, whose bytes stay. A file that is not
// whole, or of another context, counts as empty.

import { mkdirSync, readFileSync, renameSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BytePath } from "../core/byte-path.ts";
import { bytePath, fsPath } from "../core/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import { temporaryPath } from "../store/temporary.ts";
import type { Fingerprint, Settling } from "./fingerprint.ts";
import { FINGERPRINT_WORDS, settlingOf } from "./fingerprint.ts";
import type { DigestCache } from "./local-tree.ts";

const MOST_RECORDS = 200_000;
const DIGEST_CHARS = 64;
const FINGERPRINT_BYTES = FINGERPRINT_WORDS * 8;
/** Instead of the fingerprint and digest of a file that is no longer known. */
const FORGOTTEN = "\0".repeat(FINGERPRINT_BYTES + DIGEST_CHARS);
/** Of all records, how many may be new ones, and old ones that no longer count, before all are written anew. */
const MOST_BEHIND = 1 / 8;

/** What was read, or written last. */
interface KeptRecords {
  readonly records: Map<BytePath, string>;
  /** At the end of the file; undefined where there is none. */
  digest: string | undefined;
  /** Records in the file that no longer count. */
  outdated: number;
}

/** ext, xfs, btrfs, tmpfs, overlay, f2fs, zfs, bcachefs (statfs(2)): their ctime is the kernel's own. */
const TRUSTED = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e]);

/** The digests of one context. `save` writes what is new. */
export class StatCache implements DigestCache {
  readonly #file: string;
  readonly #workDirectory: string;
  readonly #title: string;
  /** What is mounted below the root may be of another kind. */
  readonly #device: bigint;
  /** The build's beginning. */
  readonly #nowNs: bigint;
  #read: KeptRecords | undefined;
  readonly #used = new Set<BytePath>();
  readonly #changed = new Set<BytePath>();

  private constructor(root: string, place: StatCachePlace) {
    const directory = join(place.storeDirectory, "statcache");
    mkdirSync(directory, { recursive: true });
    this.#file = join(directory, hexOf(digestOf(root)));
    this.#workDirectory = place.workDirectory;
    this.#title = `tsbuild stat cache 2 ${bytePath(JSON.stringify(root))}`;
    this.#device = statSync(fsPath(bytePath(root)), { bigint: true }).dev;
    this.#nowNs = BigInt(place.nowMs) * 1_000_000n;
  }

  /** The cache of a context; undefined on a file system whose times are not to be trusted. Open it before the first file is looked at. */
  static open(root: string, place: StatCachePlace): StatCache | undefined {
    return TRUSTED.has(statfsSync(fsPath(bytePath(root))).type) ? new StatCache(root, place) : undefined;
  }

  lookup(path: BytePath, fingerprint: Fingerprint): Digest | undefined {
    const record = this.#kept.records.get(path);
    if (record?.startsWith(fingerprint) !== true) return undefined;
    this.#used.add(path);
    return `sha256:${record.slice(FINGERPRINT_BYTES)}`;
  }

  store(path: BytePath, fingerprint: Fingerprint, digest: Digest): void {
    this.#used.add(path);
    this.#changed.add(path);
    if (this.isSettled(settlingOf(fingerprint))) this.#kept.records.set(path, fingerprint + hexOf(digest));
    else this.#kept.records.delete(path);
  }

  /** Keeps the digest of a file that nobody but the caller changes: it need not have settled. */
  vouch(path: BytePath, fingerprint: Fingerprint, digest: Digest): void {
    this.#used.add(path);
    this.#changed.add(path);
    this.#kept.records.set(path, fingerprint + hexOf(digest));
  }

  isSettled({ device, settledNs }: Settling): boolean {
    return device === this.#device && settledNs < this.#nowNs;
  }

  /** Writes the records, if there are new ones. Of two builds at once the last one's stay. */
  save(): void {
    if (this.#changed.size === 0) return;
    const kept = this.#kept;
    const more = this.#withChanges(kept);
    const bytes = more ?? this.#allRecords(kept);
    const digest = hexOf(digestOf(bytes));
    const temporary = temporaryPath(this.#workDirectory, "statcache");
    writeFileSync(temporary, Buffer.concat([bytes, Buffer.from(digest, "latin1")]), { mode: 0o600 });
    renameSync(temporary, this.#file);
    kept.digest = digest;
    kept.outdated = more === undefined ? 0 : kept.outdated + this.#changed.size;
    this.#changed.clear();
  }

  /** The file's bytes and the changed records behind them; undefined where these are many, or the file is another one. */
  #withChanges({ records, digest, outdated }: KeptRecords): Buffer | undefined {
    const behind = this.#changed.size + outdated;
    if (digest === undefined || behind > records.size * MOST_BEHIND || records.size > MOST_RECORDS) return undefined;
    const file = readWhole(this.#file);
    if (file === undefined || file.toString("latin1", Math.max(0, file.length - DIGEST_CHARS)) !== digest)
      return undefined;
    const changes = [...this.#changed].map((path) => recordOf(path, records.get(path) ?? FORGOTTEN)).join("");
    return Buffer.concat([file.subarray(0, -DIGEST_CHARS), Buffer.from(changes, "latin1")]);
  }

  #allRecords({ records }: KeptRecords): Buffer {
    const wanted = [...records].filter(([path]) => records.size <= MOST_RECORDS || this.#used.has(path));
    const body = wanted.map(([path, record]) => recordOf(path, record)).join("");
    return Buffer.from(`${this.#title}\0${body}`, "latin1");
  }

  get #kept(): KeptRecords {
    return (this.#read ??= readRecords(this.#file, this.#title));
  }
}

function readRecords(file: string, title: string): KeptRecords {
  const records = new Map<BytePath, string>();
  const nothing = { records, digest: undefined, outdated: 0 };
  const bytes = readWhole(file);
  if (bytes === undefined || bytes.length < DIGEST_CHARS) return nothing;
  const body = bytes.subarray(0, -DIGEST_CHARS);
  const digest = hexOf(digestOf(body));
  if (digest !== bytes.toString("latin1", body.length)) return nothing;
  const text = body.toString("latin1");
  if (!text.startsWith(`${title}\0`)) return nothing;
  let count = 0;
  for (let at = title.length + 1; at < text.length; count++) {
    const path = at + LENGTH_BYTES;
    const record = path + text.charCodeAt(at) + (text.charCodeAt(at + 1) << 8);
    at = record + FINGERPRINT_BYTES + DIGEST_CHARS;
    const [name, said] = [text.slice(path, record), text.slice(record, at)];
    if (said === FORGOTTEN) records.delete(name);
    else records.set(name, said);
  }
  return { records, digest, outdated: count - records.size };
}

function recordOf(path: BytePath, record: string): string {
  return lengthOf(path) + path + record;
}

const LENGTH_BYTES = 2;

/** A path is shorter than PATH_MAX (4096). */
function lengthOf({ length }: BytePath): string {
  return String.fromCharCode(length & 0xff, length >> 8);
}

export interface StatCachePlace {
  /** `<root>/tsbuild`. */
  readonly storeDirectory: string;
  /** For files that are not finished. */
  readonly workDirectory: string;
  /** The build's beginning, ms since the epoch. */
  readonly nowMs: number;
}

function readWhole(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

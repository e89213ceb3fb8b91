// Content digests of a client's files, kept from one build to the next by what the kernel
// says of a file. Size and mtime alone would not do (anybody can set an mtime): the ctime
// changes with every change and cannot be set.
//
// A digest is only kept for a file that had last changed well before this build began. A
// file that changes twice within one tick of the clock could otherwise be changed after it
// was hashed and look the same ("racy git" is the same problem). Only file systems of this
// machine are trusted with such times.
//
// On disk one file a context (digest-records.ts), replaced by rename, and read when a digest is wanted.

import { mkdirSync, renameSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, fsPath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { temporaryPath } from "../store/temporary.ts";
import { DigestRecords, FINGERPRINT_BYTES } from "./digest-records.ts";
import type { Fingerprint, Settling } from "./fingerprint.ts";
import { settlingOf } from "./fingerprint.ts";
import type { DigestCache } from "./local-tree.ts";

const MOST_RECORDS = 200_000;

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
  #read: DigestRecords | undefined;
  /** Of many files. */
  readonly #used = new Set<BytePath>();
  #isChanged = false;

  private constructor(root: string, place: StatCachePlace) {
    const directory = join(place.storeDirectory, "statcache");
    mkdirSync(directory, { recursive: true });
    this.#file = join(directory, hexOf(digestOf(root)));
    this.#workDirectory = place.workDirectory;
    this.#title = `tsbuild stat cache 3 ${bytePath(JSON.stringify(root))}`;
    this.#device = statSync(fsPath(bytePath(root)), { bigint: true }).dev;
    this.#nowNs = BigInt(place.nowMs) * 1_000_000n;
  }

  /** The cache of a context; undefined on a file system whose times are not to be trusted. Open it before the first file is looked at. */
  static open(root: string, place: StatCachePlace): StatCache | undefined {
    return TRUSTED.has(statfsSync(fsPath(bytePath(root))).type) ? new StatCache(root, place) : undefined;
  }

  lookup(path: BytePath, fingerprint: Fingerprint): Digest | undefined {
    const records = this.#records;
    const record = records.get(path);
    if (record?.startsWith(fingerprint) !== true) return undefined;
    if (records.count > MOST_RECORDS / 2) this.#used.add(path);
    return `sha256:${record.slice(FINGERPRINT_BYTES)}`;
  }

  store(path: BytePath, fingerprint: Fingerprint, digest: Digest): void {
    this.#set(path, this.isSettled(settlingOf(fingerprint)) ? fingerprint + hexOf(digest) : undefined);
  }

  /** Keeps the digest of a file that nobody but the caller changes: it need not have settled. */
  vouch(path: BytePath, fingerprint: Fingerprint, digest: Digest): void {
    this.#set(path, fingerprint + hexOf(digest));
  }

  isSettled({ device, settledNs }: Settling): boolean {
    return device === this.#device && settledNs < this.#nowNs;
  }

  /** Writes the records, if there are new ones. Of two builds at once the last one's stay. */
  save(): void {
    if (!this.#isChanged) return;
    const temporary = temporaryPath(this.#workDirectory, "statcache");
    this.#records.write(temporary, this.#records.count > MOST_RECORDS ? this.#used : undefined);
    renameSync(temporary, this.#file);
    this.#isChanged = false;
  }

  #set(path: BytePath, record: string | undefined): void {
    this.#used.add(path);
    this.#records.set(path, record);
    this.#isChanged = true;
  }

  get #records(): DigestRecords {
    return (this.#read ??= DigestRecords.read(this.#file, this.#title));
  }
}

export interface StatCachePlace {
  /** `<root>/tsbuild`. */
  readonly storeDirectory: string;
  /** For files that are not finished. */
  readonly workDirectory: string;
  /** The build's beginning, ms since the epoch. */
  readonly nowMs: number;
}

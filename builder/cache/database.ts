// The one SQLite file of a store, shared by processes (WAL; a waiting writer blocks the event loop, so transactions are
// short). Its version is that of the store: what lies beside it is only touched by those who can read it.

import { accessSync, constants, existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BuildError } from "../core/errors.ts";
import { explain } from "../store/layout.ts";
import { refuseLockless, waitForLock } from "./kernel-lock.ts";

/** Version of a store's files. Those of an older one are brought up to it, those of a newer one are refused. */
const FORMAT = 2;

/** How long a process waits for another one's transaction. */
const PATIENCE_MS = 10_000;

/** An open store database. */
export interface StoreDatabase {
  readonly database: DatabaseSync;
  /** Where a damaged file was put aside for a new one, which begins empty. */
  readonly putAside?: string;
}

/**
 * Opens or makes the file. One that is damaged is put aside: its records are only what can be made again. Throws `STORE`
 * when it cannot be used, or was written by a newer tsbuild.
 */
export function openDatabase(file: string): StoreDatabase {
  try {
    // Later ones find it out when the file seems to be locked for too long.
    if (!existsSync(file)) refuseLockless(dirname(file));
    return { database: open(file) };
  } catch (error) {
    if (!isDamage(error)) throw asStoreError(file, error);
  }
  try {
    // One process does it, and only if none did it meanwhile.
    using _turn = waitForLock(`${file}.lock`, PATIENCE_MS);
    try {
      return { database: open(file) };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { database: makeAnew(file), putAside: `${file}.damaged` };
    }
  } catch (error) {
    throw asStoreError(file, error);
  }
}

/** Runs `body` as one transaction that has the file for itself: nobody else writes meanwhile. */
export function transaction<T>(database: DatabaseSync, body: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk has ended it already.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Whether SQLite's answer was that the file is not (or no longer) a database. */
export function isDamage(error: unknown): boolean {
  return [SQLITE_CORRUPT, SQLITE_NOTADB].includes(resultCode(error) ?? 0);
}

/** Whether SQLite could not write: no space, or no right to. */
export function isUnwritable(error: unknown): boolean {
  return [SQLITE_FULL, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_IOERR].includes(resultCode(error) ?? 0);
}

function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: PATIENCE_MS });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    if (formatOf(database) < FORMAT) transaction(database, () => migrate(database));
    if (formatOf(database) > FORMAT) {
      throw new BuildError(
        "STORE",
        `the store of "${file}" has format ${formatOf(database)}, this tsbuild knows formats up to ${FORMAT}`,
        { hint: "use the newer tsbuild that wrote it, or another --root" },
      );
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function formatOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
}

/** From nothing, or from format 1, which had the first two tables and no leases. */
function migrate(database: DatabaseSync): void {
  if (formatOf(database) >= FORMAT) return; // another process was faster
  database.exec(TABLES);
  database.prepare("INSERT OR IGNORE INTO counters (name, value) VALUES ('lease', 0)").run();
  database.exec(`PRAGMA user_version = ${FORMAT}`);
}

function makeAnew(file: string): DatabaseSync {
  for (const ending of ["-wal", "-shm"]) rmSync(`${file}${ending}`, { force: true });
  if (existsSync(file)) renameSync(file, `${file}.damaged`);
  return open(file);
}

/** SQLite's primary result code (sqlite.org/rescode.html). */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

function asStoreError(file: string, error: unknown): BuildError {
  if (error instanceof BuildError) return error;
  if (resultCode(error) === SQLITE_BUSY) {
    try {
      refuseLockless(dirname(file));
    } catch (refusal) {
      if (refusal instanceof BuildError) return refusal;
    }
  }
  if (isUnwritable(error)) {
    try {
      accessSync(dirname(file), constants.W_OK);
    } catch (refusal) {
      const explained = explain(dirname(dirname(file)), "STORE", refusal);
      if (explained instanceof BuildError) return explained;
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  const full = resultCode(error) === SQLITE_FULL;
  return new BuildError("STORE", `cannot use the records of the store in "${file}": ${message}`, {
    cause: error,
    hint: full ? "free some space: tsbuild prune, or point --root at another file system" : undefined,
  });
}

const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

const TABLES = `
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, layers TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL DEFAULT 0, measured INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, used INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0, label TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (lease INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pruned (key TEXT PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;

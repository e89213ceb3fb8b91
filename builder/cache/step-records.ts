// What went into the keys of steps, so that it can be told later why one was not found: `steps.db`, beside the cache
// records and apart from them. Nothing depends on it; a file that cannot be used is made anew.

import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Digest } from "../core/digest.ts";
import { isSystemError } from "../core/errors.ts";
import { isUnwritable } from "./database.ts";

/** Version of the table; a file of another one is made anew. */
const FORMAT = 2;
/** The newest ones are kept. */
const MOST_STEPS = 5000;
/** Looked at for the nearest one. */
const MOST_CANDIDATES = 20;

/** A step that was run. */
export interface KnownStep {
  readonly key: Digest;
  /** Digest of what it does, without what it stands on and reads. */
  readonly definition: string;
  /** Where it stands: file, stage, number. */
  readonly site: string;
  /** When it was first run here, ms since the epoch; later than all that was known then (`after`). */
  readonly createdMs: number;
  /** Whether it ever went well. */
  readonly isDone: boolean;
  /** What went into its key, as JSON. */
  readonly parts: string;
}

/** The steps that were run on one store. */
export class StepRecords implements Disposable {
  readonly #database: DatabaseSync;

  /** Opens or makes the file. */
  constructor(file: string) {
    try {
      this.#database = open(file);
    } catch (error) {
      // The file may be in order.
      if (isSystemError(error) || isUnwritable(error)) throw error;
      for (const ending of ["", "-wal", "-shm"]) rmSync(`${file}${ending}`, { force: true });
      this.#database = open(file);
    }
  }

  find(key: Digest): KnownStep | undefined {
    const row = this.#database.prepare("SELECT * FROM steps WHERE key = ?").get(key);
    return row && stepOf(row);
  }

  /** A time after that of every step: now, unless the clock has gone back since one of them. */
  after(nowMs: number): number {
    const newest = this.#database.prepare("SELECT max(created) AS newest FROM steps").get()?.["newest"];
    return Math.max(nowMs, Number(newest ?? 0) + 1);
  }

  /** Steps that went well before a time and do the same, or stand in the same place; the newest first. */
  like({ definition, site }: Pick<KnownStep, "definition" | "site">, beforeMs: number): KnownStep[] {
    return ["definition", "site"].flatMap((column) =>
      this.#database
        .prepare(`SELECT * FROM steps WHERE ${column} = ? AND done = 1 AND created < ? ORDER BY created DESC LIMIT ?`)
        .all(column === "site" ? site : definition, beforeMs, MOST_CANDIDATES)
        .map(stepOf),
    );
  }

  /** Remembers steps; of one that is known already, that it went well. */
  save(steps: readonly KnownStep[]): void {
    const insert = this.#database.prepare(
      `INSERT INTO steps (key, definition, site, created, done, parts) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET done = max(done, excluded.done)`,
    );
    this.#database.exec("BEGIN IMMEDIATE");
    for (const { key, definition, site, createdMs, isDone, parts } of steps)
      insert.run(key, definition, site, createdMs, isDone ? 1 : 0, parts);
    this.#database
      .prepare("DELETE FROM steps WHERE created < (SELECT created FROM steps ORDER BY created DESC LIMIT 1 OFFSET ?)")
      .run(MOST_STEPS);
    this.#database.exec("COMMIT");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function open(file: string): DatabaseSync {
  // Commands and variables are for the owner of the store alone.
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: 5000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    const version = database.prepare("PRAGMA user_version").get()?.["user_version"];
    if (version !== 0 && version !== FORMAT) throw new Error(`format ${String(version)}`);
    if (version === 0) database.exec(TABLES);
    // Reads something, so that a file that is no database is found out here.
    database.prepare("SELECT count(*) FROM steps").get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function stepOf(row: Readonly<Record<string, unknown>>): KnownStep {
  return {
    key: String(row["key"]) as Digest, // written by `save`
    definition: String(row["definition"]),
    site: String(row["site"]),
    createdMs: Number(row["created"]),
    isDone: row["done"] === 1,
    parts: String(row["parts"]),
  };
}

const TABLES = `
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS steps (key TEXT PRIMARY KEY, definition TEXT NOT NULL, site TEXT NOT NULL, created INTEGER NOT NULL, done INTEGER NOT NULL, parts TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_definition ON steps (definition, created);
CREATE INDEX IF NOT EXISTS by_site ON steps (site, created);
CREATE INDEX IF NOT EXISTS by_created ON steps (created);
PRAGMA user_version = ${FORMAT};
COMMIT;
`;

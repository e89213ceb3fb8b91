// Cache records: which layers a key stands for. One SQLite file in the store, shared by
// processes (WAL; a waiting writer blocks the event loop, so transactions are short).

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { BuildError } from "../core/errors.ts";
import type { Digest } from "../core/digest.ts";

/** Version of the tables; a file of another version is refused, never guessed at. */
const FORMAT = 1;

/** A result as it is remembered. */
export interface CacheRecord {
  /** Ids of the layers, bottom first. */
  readonly layers: readonly string[];
}

/** The records of one store. */
export class CacheRecords implements Disposable {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #save: StatementSync;
  readonly #findFact: StatementSync;
  readonly #saveFact: StatementSync;

  /** Opens or makes the file. Throws `STORE` when it cannot be used or is of another version. */
  constructor(file: string) {
    try {
      this.#database = new DatabaseSync(file, { timeout: 5000 });
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
      const version = this.#database.prepare("PRAGMA user_version").get()?.["user_version"];
      if (version !== 0 && version !== FORMAT) {
        throw new BuildError(
          "STORE",
          `the cache records in "${file}" have format ${String(version)}, this tsbuild reads ${FORMAT}`,
          { hint: "use another --root, or the tsbuild that wrote them" },
        );
      }
      if (version === 0) this.#database.exec(TABLES);
    } catch (error) {
      if (error instanceof BuildError) throw error;
      throw new BuildError("STORE", `cannot open the cache records in "${file}": ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#find = this.#database.prepare("SELECT layers FROM results WHERE key = ?");
    this.#save = this.#database.prepare(
      "INSERT OR REPLACE INTO results (key, layers, name, created) VALUES (?, ?, ?, ?)",
    );
    this.#findFact = this.#database.prepare("SELECT value FROM facts WHERE key = ?");
    this.#saveFact = this.#database.prepare("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)");
  }

  /** The record of a key. */
  find(key: Digest): CacheRecord | undefined {
    const row = this.#find.get(key);
    if (row === undefined) return undefined;
    const layers: unknown = JSON.parse(String(row["layers"]));
    return Array.isArray(layers) && layers.every((id) => typeof id === "string") ? { layers } : undefined;
  }

  /** Remembers a result under its key; `name` is the step's, for people; `createdMs` since the epoch. */
  save(key: Digest, record: CacheRecord, name: string, createdMs: number): void {
    this.#save.run(key, JSON.stringify(record.layers), name, createdMs);
  }

  /** A derived fact that never goes out of date (its key names immutable things): the content digest of a selection. */
  fact(key: Digest): string | undefined {
    const row = this.#findFact.get(key);
    return row === undefined ? undefined : String(row["value"]);
  }

  saveFact(key: Digest, value: string): void {
    this.#saveFact.run(key, value);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

const TABLES = `
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, layers TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = ${FORMAT};
COMMIT;
`;

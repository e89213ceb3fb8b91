// Which results were known once and pruned: so that "why was this built again" has an answer. A key, the step's name and
// the time; the newest ones only.

import type { DatabaseSync } from "node:sqlite";
import type { Digest } from "../core/digest.ts";
import { dropLayerFacts } from "./records.ts";

const MOST_NOTES = 5000;

/** A result that garbage collection took. */
export interface PrunedResult {
  /** The step's name. */
  readonly name: string;
  /** ms since the epoch. */
  readonly atMs: number;
}

/** Results without their layers are forgotten, and noted as pruned; facts about the layer go, too. `layer` is an id. */
export function pruneResultsOf(database: DatabaseSync, layer: string, atMs: number): number {
  const text = JSON.stringify(layer);
  database
    .prepare(
      `INSERT OR REPLACE INTO pruned (key, name, at)
       SELECT key, name, ? FROM results WHERE instr(layers, ?) > 0`,
    )
    .run(atMs, text);
  dropLayerFacts(database, layer);
  const { changes } = database.prepare("DELETE FROM results WHERE instr(layers, ?) > 0").run(text);
  database
    .prepare("DELETE FROM pruned WHERE key NOT IN (SELECT key FROM pruned ORDER BY at DESC, key LIMIT ?)")
    .run(MOST_NOTES);
  return Number(changes);
}

/** Whether and when the result of a key was pruned; undefined when it was not, or too long ago. */
export function prunedAt(database: DatabaseSync, key: Digest): PrunedResult | undefined {
  const row = database.prepare("SELECT name, at FROM pruned WHERE key = ?").get(key);
  return row === undefined ? undefined : { name: String(row["name"]), atMs: Number(row["at"]) };
}

// What is known of the layers of a store: their own files, and the records that name them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { parseLayerIds } from "../cache/records.ts";
import { hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import type { LayerMeta } from "../snapshot/layer-files.ts";
import { parseMeta } from "../snapshot/layer-files.ts";
import { listFolder, statIfThere } from "./tree-size.ts";

/** A layer that is whole. */
export interface LayerFacts {
  readonly origin: LayerMeta["origin"];
  /** Hex digests of its blobs, whether they are there or not. */
  readonly blobs: readonly string[];
  /** The layer below it, where a record says so. */
  readonly parent?: string;
  /** How many layers are below it. */
  readonly depth: number;
  /** The name of the step that made it. */
  readonly description: string;
  /** ms since the epoch. */
  readonly createdMs: number;
}

/** A cache record that can be read. */
interface ResultRow {
  readonly key: string;
  readonly name: string;
  readonly layers: readonly string[] | undefined;
}

/** All cache records; `layers` is undefined of one that is damaged. */
export function readResults(database: DatabaseSync): ResultRow[] {
  return database
    .prepare("SELECT key, name, layers FROM results ORDER BY created, key")
    .all()
    .map((row) => ({
      key: String(row["key"]),
      name: String(row["name"]),
      layers: parseLayerIds(String(row["layers"])),
    }));
}

/** The layers below `<root>/tsbuild/layers` by id. Those without a readable `meta.json` are not among them. */
export function readLayerFacts(own: string, database: DatabaseSync): Map<string, LayerFacts> {
  const places = new Map<string, { parent?: string; depth: number; name?: string }>();
  for (const { layers = [], name } of readResults(database)) {
    for (const [depth, id] of layers.entries()) {
      const parent = layers[depth - 1];
      const made = depth === layers.length - 1 ? { name } : {};
      places.set(id, { ...places.get(id), ...(parent === undefined ? {} : { parent }), depth, ...made });
    }
  }
  const facts = new Map<string, LayerFacts>();
  for (const id of listFolder(join(own, "layers"))) {
    const path = join(own, "layers", id, "meta.json");
    const meta = readMeta(path);
    if (meta === undefined) continue;
    const { parent, depth = 0, name } = places.get(id) ?? {};
    facts.set(id, {
      origin: meta.origin,
      blobs: [...new Set(meta.variants.map(({ descriptor }) => hexOf(descriptor.digest)))],
      ...(parent === undefined ? {} : { parent }),
      depth,
      description: name ?? (meta.origin === "image" ? "layer of an image that was pulled" : "layer of a build"),
      createdMs: meta.createdMs ?? statIfThere(path)?.mtimeMs ?? 0,
    });
  }
  return facts;
}

function readMeta(path: string): LayerMeta | undefined {
  try {
    return parseMeta(readFileSync(path, "utf8"));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EISDIR")) return undefined;
    throw error;
  }
}

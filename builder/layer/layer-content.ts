// The entries of a layer to pack or to look through, however they are handed over.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import { decodeIndex } from "./index-file.ts";
import type { PackRequest } from "./jobs/jobs.ts";

/** Each entry with where its bytes are. Throws `INTERNAL` when an index is none. */
export function layerContent(content: PackRequest["content"]): readonly SourcedEntry[] {
  if (!("index" in content)) return content;
  const entries = decodeIndex(content.index);
  if (entries === undefined) throw new BuildError("INTERNAL", "the index of a layer is damaged");
  return entries.map((entry) => sourced(entry, content.directory));
}

/** An entry whose bytes are below a directory. */
export function sourced(entry: Entry, directory: BytePath): SourcedEntry {
  if (entry.type !== "file") return { entry };
  return { entry, source: { kind: "path", path: `${directory}/${entry.path}` } };
}

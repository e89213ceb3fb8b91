// A store whose list of images cannot be read: it is put aside, and written anew with the names that the records of builds
// know. What was pulled or loaded has no record here: it is had again under its name by whoever wants it.

import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { hexOf, isDigest } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { isSystemError } from "../core/errors.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import { appear, isIndexWhole, readJson } from "./layout.ts";
import { takeLock } from "./lock.ts";
import { entryOf } from "./names.ts";
import type { NamedEntry } from "./names.ts";

/** Of the record of a build: what came of it. */
const RecordSchema = v.looseObject({
  endedMs: v.number(),
  result: v.looseObject({
    digest: v.custom<Digest>((value) => typeof value === "string" && isDigest(value)),
    names: v.array(v.string()),
  }),
});
const DocumentSchema = v.looseObject({ mediaType: v.string() });

/**
 * Puts `index.json` aside and writes one with what records of builds in `own` name, unless `isWhole` finds it mended meanwhile.
 * What was done, as a sentence; undefined when another process did it. Throws what the operating system says.
 */
export async function mendIndex(
  root: string,
  own: string,
  isWhole: (root: string) => boolean = isIndexWhole,
): Promise<string | undefined> {
  await using _lock = await takeLock(join(root, "oci-layout"));
  if (isWhole(root)) return undefined;
  const path = join(root, "index.json");
  const wasThere = existsSync(path);
  if (wasThere) renameSync(path, `${path}.damaged`);
  const entries = namedByRecords(root, join(own, "builds"));
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: entries.map(entryOf) };
  await appear(path, JSON.stringify(index), own, "replace");
  const how = wasThere ? `was damaged: it is in "${path}.damaged" now` : "was missing";
  const names = entries.length === 1 ? "1 name is" : `${entries.length} names are`;
  return `the list of images, "${path}", ${how}, and ${names} known again from the records of builds`;
}

/** The last build that gave a name has it, where its document is there. */
function namedByRecords(root: string, builds: string): NamedEntry[] {
  const records = namesIn(builds)
    .filter((name) => name.endsWith(".json"))
    .map((name) => v.safeParse(RecordSchema, readJson(join(builds, name))))
    .filter((parsed) => parsed.success)
    .map(({ output }) => output)
    .toSorted((a, b) => a.endedMs - b.endedMs);
  const named = new Map<string, NamedEntry>();
  for (const { result } of records) {
    const descriptor = descriptorOf(root, result.digest);
    if (descriptor === undefined) continue;
    for (const name of result.names) named.set(name, { descriptor, refName: name, fullName: name });
  }
  return [...named.values()];
}

function descriptorOf(root: string, digest: Digest): NamedEntry["descriptor"] | undefined {
  const path = join(root, "blobs/sha256", hexOf(digest));
  const document = v.safeParse(DocumentSchema, readJson(path));
  return document.success ? { mediaType: document.output.mediaType, digest, size: statSync(path).size } : undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

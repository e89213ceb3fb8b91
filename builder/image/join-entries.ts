// Which entries an index has that is made of images and of other indexes.

import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform, normalizePlatform } from "../core/image/platform.ts";
import { attestedBy, isImageEntry } from "./index.ts";

/** What one image or index brings. */
export interface JoinedPart {
  /** For messages. */
  readonly name: string;
  readonly entries: readonly Descriptor[];
}

/**
 * The entries of all parts, equal ones once. Where there is an `old` index its images make room for new ones of their
 * platforms, and with them goes what attests them. Throws `USAGE` when two parts bring different images of one platform:
 * whoever pulls would get one of them, and nobody said which. What one index has twice (in two compressions, say) stays.
 */
export function joinEntries(old: JoinedPart | undefined, parts: readonly JoinedPart[]): readonly Descriptor[] {
  const added = new Map<string, { readonly name: string; readonly entries: Descriptor[] }>();
  for (const { name, entries } of parts) {
    for (const entry of entries) {
      const key = keyOf(entry);
      const before = added.get(key);
      if (before === undefined) added.set(key, { name, entries: [entry] });
      else if (before.entries.every(({ digest }) => digest !== entry.digest)) {
        if (before.name !== name) throw twice(before.name, name, key);
        before.entries.push(entry);
      }
    }
  }
  const kept = (old?.entries ?? []).flatMap((entry) => {
    const instead = added.get(keyOf(entry));
    if (instead === undefined) return [entry];
    added.delete(keyOf(entry));
    return instead.entries;
  });
  const joined = [...kept, ...[...added.values()].flatMap(({ entries }) => entries)];
  return withoutOrphans(joined, old?.entries ?? []);
}

/** Only the images for these platforms, and what attests them. Throws `INPUT_MISSING` for one that there is no image for. */
export function entriesFor(entries: readonly Descriptor[], platforms: readonly Platform[]): readonly Descriptor[] {
  if (platforms.length === 0) return entries;
  const wanted = platforms.map(formatPlatform);
  const chosen = entries.filter((entry) => wanted.includes(platformText(entry) ?? ""));
  const missing = wanted.find((text) => chosen.every((entry) => platformText(entry) !== text));
  if (missing !== undefined) {
    const offered = entries.flatMap((entry) => platformText(entry) ?? []);
    throw new BuildError("INPUT_MISSING", `there is no image for ${missing}`, {
      hint: `there are ${[...new Set(offered)].join(", ")}`,
    });
  }
  const digests = new Set<string>(chosen.map(({ digest }) => digest));
  return entries.filter((entry) => chosen.includes(entry) || digests.has(attestedBy(entry) ?? ""));
}

/** Attestations go with the image that they were about. */
function withoutOrphans(joined: readonly Descriptor[], before: readonly Descriptor[]): readonly Descriptor[] {
  const there = new Set<string>(joined.map(({ digest }) => digest));
  const gone = new Set(before.map(({ digest }): string => digest).filter((digest) => !there.has(digest)));
  return joined.filter((entry) => !gone.has(attestedBy(entry) ?? ""));
}

/** Images of one key stand in each other's place. */
function keyOf(entry: Descriptor): string {
  const text = platformText(entry);
  return text === undefined ? entry.digest : [text, entry.platform?.osVersion ?? []].flat().join(" ");
}

/** Undefined for what is no image of a platform. */
function platformText(entry: Descriptor): string | undefined {
  if (entry.platform === undefined || entry.platform.os === "unknown" || !isImageEntry(entry)) return undefined;
  return formatPlatform(normalizePlatform(entry.platform));
}

function twice(first: string, second: string, platform: string): BuildError {
  return new BuildError("USAGE", `"${first}" and "${second}" both have an image for ${platform}`, {
    hint: "an index has one image for a platform: leave one away; tsbuild index add replaces what an index has",
  });
}

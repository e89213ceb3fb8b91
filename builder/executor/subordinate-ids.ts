// /etc/subuid and /etc/subgid: which further ids a user may have in a namespace of his own (subuid(5)).

import { readText } from "./read-text.ts";

export interface SubordinateRange {
  readonly first: number;
  readonly count: number;
}

/** `count` ids from `inside` on, which are those from `outside` on in the parent namespace. */
export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

const ALL_IDS = 0xffff_ffff;

/** All ranges of a user, by name or by number, in the file's order; none when the file is missing. */
export function readSubordinateIds(file: string, user: string, uid: number): SubordinateRange[] {
  return parseSubordinateIds(readText(file), user, uid);
}

/** The same from the file's text; lines that are not "owner:first:count" are skipped, as newuidmap does. */
export function parseSubordinateIds(text: string, user: string, uid: number): SubordinateRange[] {
  return entries(text)
    .filter(({ owner }) => owner === user || owner === String(uid))
    .map(({ first, count }) => ({ first, count }));
}

/** Root inside is the user himself; 1 and up are his ranges, one after the other. */
export function mappingsFor(own: number, ranges: readonly SubordinateRange[]): IdMapping[] {
  const mappings: IdMapping[] = [{ inside: 0, outside: own, count: 1 }];
  let inside = 1;
  for (const range of ranges) {
    if (own >= range.first && own < range.first + range.count) continue;
    mappings.push({ inside, outside: range.first, count: range.count });
    inside += range.count;
  }
  return mappings;
}

/** Every id of a map of this process (/proc/PID/uid_map), as itself; of a machine's own namespace all but the last, so that it is seen to be another one. */
export function ownIds(mapFile: string): IdMapping[] {
  return readText(mapFile)
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((numbers) => numbers.length === 3)
    .map(([first = 0, , count = 0]) => ({ inside: first, outside: first, count: Math.min(count, ALL_IDS - 1) }));
}

/** "0 1000 1 1 100000 65536", as newuidmap takes it. */
export function formatMappings(mappings: readonly IdMapping[], separator: string): string {
  return mappings.map(({ inside, outside, count }) => [inside, outside, count].join(separator)).join(separator);
}

/** 65536 ids that no line of the files has given away, as usermod takes them: "165536-231071". */
export function freeRange(files: readonly string[]): string {
  const taken = files.flatMap((file) => entries(readText(file)));
  const first = taken.reduce((next, { first: start, count }) => Math.max(next, start + count), 100_000);
  return `${first}-${first + 65_535}`;
}

function entries(text: string): { owner: string; first: number; count: number }[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([^:]+):(\d+):(\d+)$/.exec(line.trim());
    if (match === null || Number(match[3]) === 0) return [];
    return [{ owner: match[1] ?? "", first: Number(match[2]), count: Number(match[3]) }];
  });
}

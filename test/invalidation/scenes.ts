// The table of fixtures/invalidation: what changed, and which steps BuildKit ran again.

import { readFileSync } from "node:fs";
import path from "node:path";

import { parse } from "smol-toml";
import * as v from "valibot";

export const FIXTURES = path.join(import.meta.dirname, "../../fixtures/invalidation");

const Needs = v.picklist(["root", "xattr", "git", "openssl"]);
export type Need = v.InferOutput<typeof Needs>;

const strings = v.array(v.string());
const ArchiveEntry = v.strictObject({
  name: v.string(),
  text: v.optional(v.string()),
  uid: v.optional(v.number()),
  /** Seconds. */
  mtime: v.optional(v.number()),
  /** Major and minor number of a character device. */
  device: v.optional(v.tuple([v.number(), v.number()])),
  /** Whether the file may do what only root may. */
  capability: v.optional(v.boolean()),
});
export type ArchiveEntry = v.InferOutput<typeof ArchiveEntry>;

const Case = v.strictObject({
  name: v.string(),
  /** What is done in the context before the second build. */
  change: v.optional(v.string()),
  /** Flags of the second build instead of the scene's. */
  args: v.optional(strings),
  /** Flags of the second build beside those. */
  add: v.optional(strings, []),
  /** The second build's context, in the scene's folder. */
  context: v.optional(v.string(), "context"),
  /** What the scene's own build ran is looked at, and there is no second one. */
  first: v.optional(v.boolean(), false),
  needs: v.optional(Needs),
  /** Only played in long runs. */
  more: v.optional(v.boolean(), false),
  /** The steps that tsbuild runs, where they are others than BuildKit's. */
  ours: v.optional(strings),
  why: v.optional(v.string()),
});
export type Case = v.InferOutput<typeof Case>;

const Scene = v.strictObject({
  name: v.string(),
  dockerfile: v.string(),
  setup: v.optional(v.string(), ""),
  args: v.optional(strings, []),
  archives: v.optional(v.record(v.string(), v.array(ArchiveEntry)), {}),
  needs: v.optional(Needs),
  case: v.array(Case),
});
export type Scene = v.InferOutput<typeof Scene>;

const Recorded = v.strictObject({
  /** Which BuildKit ran these. */
  version: v.string(),
  /** Steps that ran in the second build, by scene and case. */
  ran: v.record(v.string(), v.record(v.string(), strings)),
});
export type Recorded = v.InferOutput<typeof Recorded>;

export function readScenes(): readonly Scene[] {
  const text = readFileSync(path.join(FIXTURES, "cases.toml"), "utf8");
  return v.parse(v.strictObject({ scene: v.array(Scene) }), parse(text)).scene;
}

export function readRecorded(): Recorded {
  return v.parse(Recorded, JSON.parse(readFileSync(path.join(FIXTURES, "buildkit.json"), "utf8")));
}

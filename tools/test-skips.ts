// The list of skips that CI accepts (test/skips.json), and what is not on it.

import * as v from "valibot";

/** A test that did not run. */
export interface Skip {
  readonly file: string;
  readonly name: string;
  readonly reason: string;
}

/** Who runs the suite: some tests need root, others an ordinary user. */
export type Runner = "root" | "user";

const AllowedSkip = v.strictObject({
  file: v.string(),
  name: v.string(),
  /** What the reason begins with: its end may name a version or a path. */
  reason: v.string(),
  where: v.array(v.picklist(["root", "user"])),
});
export type AllowedSkip = v.InferOutput<typeof AllowedSkip>;

/** Reads test/skips.json. Throws on anything that is not such a list. */
export function parseSkipList(text: string): readonly AllowedSkip[] {
  return v.parse(v.array(AllowedSkip), JSON.parse(text));
}

/** The skips that no entry of the list allows for this runner. */
export function findUnexpectedSkips(
  skips: readonly Skip[],
  list: readonly AllowedSkip[],
  runner: Runner,
): readonly Skip[] {
  return skips.filter((skip) => !list.some((allowed) => allows(allowed, skip, runner)));
}

function allows(allowed: AllowedSkip, skip: Skip, runner: Runner): boolean {
  return (
    allowed.file === skip.file &&
    allowed.name === skip.name &&
    skip.reason.startsWith(allowed.reason) &&
    allowed.where.includes(runner)
  );
}

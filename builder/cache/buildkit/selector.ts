// What of an input counts by its content (solver/llbsolver/ops/opsutils).

/** A path of an input, or a pattern of paths. */
export interface Selector {
  /** Absolute, as it is written. */
  readonly path: string;
  /** Follow a link that the path itself ends in. */
  readonly followLinks?: boolean;
  /** The path is a pattern. */
  readonly wildcard?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** What must be there. */
  readonly required?: readonly string[];
}

/** Whether a path has `*`, `?` or `[` that is not escaped. */
export function hasWildcards(path: string): boolean {
  return /^(?:[^\\*?[]|\\.)*[*?[]/s.test(path);
}

/** Whether more than one path may be meant. */
export function isFiltered({ wildcard = false, include = [], exclude = [] }: Selector): boolean {
  return wildcard || include.length > 0 || exclude.length > 0;
}

/** Plain paths once, and none below another; sorted by path. */
export function dedupeSelectors(selectors: readonly Selector[]): readonly Selector[] {
  const plain = (followLinks: boolean): readonly string[] =>
    dedupePaths(
      selectors.filter((one) => !isFiltered(one) && (one.followLinks ?? false) === followLinks).map(({ path }) => path),
    );
  return [
    ...plain(false).map((path): Selector => ({ path })),
    ...plain(true).map((path): Selector => ({ path, followLinks: true })),
    ...selectors.filter(isFiltered),
  ].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** Without what lies below another one; a single path stays as it is. */
export function dedupePaths(paths: readonly string[]): readonly string[] {
  if (paths.length <= 1) return paths;
  const all = [...new Set(paths)];
  const isBelow = (path: string, other: string): boolean =>
    path !== other && path.startsWith(other.endsWith("/") ? other : `${other}/`);
  return all
    .filter((path) => !all.some((other) => isBelow(path, other)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

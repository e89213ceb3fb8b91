// "did you mean …?": the nearest of a few known names.

const MOST_EDITS = 2;

/** The option nearest to `value`, at most two edits away; undefined when it is one of them, or none is near. */
export function nearest(value: string, options: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = MOST_EDITS + 1;
  for (const option of options) {
    if (option === value) return undefined;
    if (Math.abs(option.length - value.length) > MOST_EDITS) continue;
    const distance = editDistance(value, option);
    if (distance < bestDistance) {
      best = option;
      bestDistance = distance;
    }
  }
  return best;
}

/** The message, with the nearest option added if there is one. */
export function withSuggestion(message: string, value: string, options: Iterable<string>): string {
  const match = nearest(value, options);
  return match === undefined ? message : `${message} (did you mean ${match}?)`;
}

/**
 * The edits between two texts; more than are of interest count as one more than that. It follows how far along each
 * diagonal of the usual table a number of edits reaches (Ukkonen), so long names cost no more than their length.
 */
function editDistance(a: string, b: string): number {
  const last = b.length - a.length;
  let reached = new Map([[0, run(a, b, 0, 0)]]);
  for (let edits = 0; edits <= MOST_EDITS && Math.abs(last) <= MOST_EDITS; edits++) {
    if ((reached.get(last) ?? -1) >= a.length) return edits;
    const next = new Map<number, number>();
    for (let diagonal = -edits - 1; diagonal <= edits + 1; diagonal++) {
      const changed = (reached.get(diagonal) ?? -1) + 1;
      const inserted = reached.get(diagonal - 1) ?? -1;
      const removed = (reached.get(diagonal + 1) ?? -1) + 1;
      const at = Math.min(Math.max(changed, inserted, removed), a.length, b.length - diagonal);
      next.set(diagonal, run(a, b, at, diagonal));
    }
    reached = next;
  }
  return MOST_EDITS + 1;
}

/** The place in `a` behind what is equal from there on. */
function run(a: string, b: string, from: number, diagonal: number): number {
  let at = from;
  while (at < a.length && at + diagonal < b.length && a.charCodeAt(at) === b.charCodeAt(at + diagonal)) at++;
  return at;
}

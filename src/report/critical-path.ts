// The chain of steps that a build had to wait for: whatever else were faster, it would not have ended sooner.

import type { TimelineStep } from "../../builder/records/timeline.ts";

/** Places of the steps of the chain, in the order in which they ran. A step that names no inputs followed the last one that had ended. */
export function criticalPath(steps: readonly TimelineStep[]): number[] {
  const places = new Map(steps.map(({ vertex }, place) => [vertex, place]));
  const path: number[] = [];
  const seen = new Set<number>();
  let at = latest(steps, [...steps.keys()]);
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    path.push(at);
    const { startedMs = 0 } = steps[at] ?? {};
    const inputs = inputsOf(steps, places, at);
    const before = [...steps.keys()].filter(
      (place) => !seen.has(place) && (steps[place]?.completedMs ?? Infinity) <= startedMs,
    );
    at = latest(steps, inputs) ?? latest(steps, before);
  }
  return path.toReversed();
}

/** The steps whose results a step used: through those that came from the cache, or were not told of. */
function inputsOf(steps: readonly TimelineStep[], places: ReadonlyMap<string, number>, place: number): number[] {
  const found: number[] = [];
  const seen = new Set<number>();
  const stack = [place];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (const input of steps[at]?.inputs ?? []) {
      const next = places.get(input);
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      const step = steps[next];
      if (step?.completedMs === undefined || step.cached === true) stack.push(next);
      else found.push(next);
    }
  }
  return found;
}

function latest(steps: readonly TimelineStep[], among: readonly number[]): number | undefined {
  let found: number | undefined;
  for (const place of among) {
    const time = steps[place]?.completedMs;
    if (time !== undefined && time > (steps[found ?? -1]?.completedMs ?? -1)) found = place;
  }
  return found;
}

// The chain of steps that a build had to wait for: whatever else were faster, it would not have ended sooner.

import type { TimelineStep } from "../../builder/records/timeline.ts";

/** What passes between two steps where one waits for nothing but the other. */
const PAUSE_MS = 100;

/**
 * Places of the steps of the chain, in the order in which they ran. A step followed the last of its inputs. Where it names
 * none, or began long after they had ended, it waited for something else (a turn, the files of other steps): then it
 * followed the last one that had ended.
 */
export function criticalPath(steps: readonly TimelineStep[]): number[] {
  const places = new Map(steps.map(({ vertex }, place) => [vertex, place]));
  const path: number[] = [];
  const seen = new Set<number>();
  let at = latest(steps, [...steps.keys()]);
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    path.push(at);
    const { startedMs = 0 } = steps[at] ?? {};
    const input = latest(steps, inputsOf(steps, places, at));
    const isPrompt = startedMs - (steps[input ?? -1]?.completedMs ?? -Infinity) <= PAUSE_MS;
    at = isPrompt ? input : (latest(steps, endedBy(steps, startedMs, seen)) ?? input);
  }
  return path.toReversed();
}

/** The steps that had run to their end at a time, but for those `seen`. */
function endedBy(steps: readonly TimelineStep[], ms: number, seen: ReadonlySet<number>): number[] {
  return [...steps.keys()].filter((place) => {
    const { completedMs = Infinity, cached } = steps[place] ?? {};
    return !seen.has(place) && cached !== true && completedMs <= ms;
  });
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

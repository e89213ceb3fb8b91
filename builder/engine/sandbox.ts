// What runs the steps of one build and makes their rootfs, with word of what they lack.

import type { EventSink } from "../core/events.ts";
import type { Engine } from "../engine.ts";
import type { Executor } from "../executor/executor.ts";
import type { OpContext } from "../ops/engine-parts.ts";
import type { Snapshotter } from "../snapshot/snapshotter.ts";

/** The executor and the snapshotter, which say what they lack when a step needs them first. */
export function sandboxOf(engine: Engine, events: EventSink): Pick<OpContext, "executor" | "snapshotter"> {
  const warn = (message: string): void => events({ kind: "warning", message });
  let executor: Promise<Executor> | undefined;
  let snapshotter: Promise<Snapshotter> | undefined;
  const openExecutor = async (): Promise<Executor> => {
    const opened = await engine.executor();
    if (opened.notes.length > 0) warn(`steps are run by ${opened.driver}: ${opened.notes.join("; ")}`);
    return opened;
  };
  const openSnapshotter = async (): Promise<Snapshotter> => {
    const opened = await engine.snapshotter();
    if (opened.note !== undefined)
      warn(`the files of each step are copied, as no overlay can be mounted: ${opened.note}`);
    return opened;
  };
  return {
    executor: () => (executor ??= openExecutor()),
    snapshotter: () => (snapshotter ??= openSnapshotter()),
  };
}

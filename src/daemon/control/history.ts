// The builds that are under way and those that ended lately, for `docker buildx history`. Their logs are read as those
// of builds under way are.

import { streaming, unary } from "../../api/grpc/methods.ts";
import type { Handler } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import { Empty } from "../../api/proto/control.ts";
import { HistoryEvent, HistoryRequest, UpdateHistoryRequest } from "../../api/proto/disk.ts";
import type { Job, Jobs } from "./jobs.ts";

const SERVICE = "/moby.buildkit.v1.Control";
const STARTED = 0;
const COMPLETE = 1;
const LISTEN_MS = 200;

/** The methods about builds that were. */
export function historyHandlers(jobs: Jobs): readonly (readonly [string, Handler])[] {
  return [
    [
      `${SERVICE}/ListenBuildHistory`,
      streaming(HistoryRequest, async ({ activeOnly, ref, earlyExit, limit }, call) => {
        call.start({ "buildkit-current-timestamp": new Date().toISOString() });
        const told = new Map<Job, boolean>();
        do {
          const all = jobs.builds().filter((job) => (ref === "" || job.ref === ref) && (!activeOnly || !isOver(job)));
          for (const job of limit > 0 ? all.slice(-limit) : all) {
            if (told.get(job) === isOver(job)) continue;
            told.set(job, isOver(job));
            await call.send(eventOf(job));
          }
          if (earlyExit) return;
          await pause(call.signal);
        } while (!call.signal.aborted);
      }),
    ],
    [
      `${SERVICE}/UpdateBuildHistory`,
      unary(UpdateHistoryRequest, Empty, ({ ref, pinned, isDeleted }) => {
        if (pinned) throw new RpcError(CODE.unimplemented, "builds cannot be pinned: the daemon keeps the last ones");
        if (isDeleted) jobs.forget(ref);
        return {};
      }),
    ],
  ];
}

function isOver({ outcome }: Job): boolean {
  return outcome.completedMs !== undefined;
}

function eventOf({ ref, outcome }: Job): Uint8Array {
  const { attrs, frontend, createdMs, completedMs, error, response } = outcome;
  const steps = [...outcome.steps.values()];
  return HistoryEvent.encode({
    type: completedMs === undefined ? STARTED : COMPLETE,
    record: {
      ref,
      frontend,
      frontendAttrs: attrs,
      error,
      createdAt: createdMs,
      completedAt: completedMs,
      exporterResponse: response,
      cachedSteps: steps.filter((step) => step === "cached").length,
      totalSteps: steps.length,
      completedSteps: steps.filter((step) => step !== "known").length,
    },
  });
}

/** A build tells nobody that it ended: whoever listens looks again. */
async function pause(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LISTEN_MS);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}

// The builds that are under way and those that ended lately, for `docker buildx history`. Their logs are read as those
// of builds under way are.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "../../../builder/core/digest.ts";
import { streaming, unary } from "../../api/grpc/methods.ts";
import type { Handler } from "../../api/grpc/server.ts";
import { Empty } from "../../api/proto/control.ts";
import { HistoryEvent, HistoryRecord, HistoryRequest, UpdateHistoryRequest } from "../../api/proto/disk.ts";
import { attachedFields } from "./attachments.ts";
import type { EndedJob, Jobs } from "./jobs.ts";

const SERVICE = "/moby.buildkit.v1.Control";
const STARTED = 0;
const COMPLETE = 1;
const DELETED = 2;
const LISTEN_MS = 200;

/** The methods about builds that were. */
export function historyHandlers(root: string, jobs: Jobs): readonly (readonly [string, Handler])[] {
  return [
    [
      `${SERVICE}/ListenBuildHistory`,
      streaming(HistoryRequest, async ({ activeOnly, ref, earlyExit, limit }, call) => {
        call.start({ "buildkit-current-timestamp": new Date().toISOString() });
        const told = new Map<string, string>();
        do {
          // What is told of a build that ended can be read then.
          await jobs.settled();
          const known = jobs.builds();
          const all = known.filter((job) => (ref === "" || job.ref === ref) && (!activeOnly || !isOver(job)));
          for (const job of limit > 0 ? all.slice(-limit) : all) {
            const state = `${isOver(job)} ${job.isPinned}`;
            if (told.get(job.ref) === state) continue;
            told.set(job.ref, state);
            await call.send(eventOf(root, job));
          }
          const there = new Set(known.map((job) => job.ref));
          for (const gone of [...told.keys()].filter((one) => !there.has(one))) {
            told.delete(gone);
            await call.send(HistoryEvent.encode({ type: DELETED, record: { ...NO_RECORD, ref: gone } }));
          }
          if (earlyExit) return;
          await pause(call.signal);
        } while (!call.signal.aborted);
      }),
    ],
    [
      `${SERVICE}/UpdateBuildHistory`,
      unary(UpdateHistoryRequest, Empty, ({ ref, pinned, isDeleted, isFinal }) => {
        if (isDeleted) jobs.forget(ref);
        else if (!isFinal) jobs.pin(ref, pinned);
        return {};
      }),
    ],
  ];
}

function isOver({ outcome }: EndedJob): boolean {
  return outcome.completedMs !== undefined;
}

function eventOf(root: string, { ref, outcome, isPinned }: EndedJob): Uint8Array {
  const { attrs, frontend, exporters, createdMs, completedMs, error, response, warnings, attachments, image } = outcome;
  const isThere = image !== undefined && existsSync(join(root, "blobs/sha256", hexOf(image.digest)));
  const steps = [...outcome.steps.values()];
  return HistoryEvent.encode({
    type: completedMs === undefined ? STARTED : COMPLETE,
    record: {
      ref,
      frontend,
      frontendAttrs: attrs,
      exporters,
      error: error && { ...error, details: [] },
      ...attachedFields(attachments, isThere ? image : undefined),
      warnings,
      createdAt: createdMs,
      completedAt: completedMs,
      exporterResponse: response,
      pinned: isPinned,
      cachedSteps: steps.filter((step) => step === "cached").length,
      totalSteps: steps.length,
      completedSteps: steps.filter((step) => step !== "known").length,
    },
  });
}

/** What is left to say of a build that was forgotten is its name. */
const NO_RECORD = HistoryRecord.decode(new Uint8Array());

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

// The service moby.buildkit.v1.Control, and the health that load balancers ask for.

import { streaming, unary } from "../../api/grpc/methods.ts";
import type { Handler } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import {
  Empty,
  HealthRequest,
  HealthResponse,
  InfoResponse,
  ListWorkersRequest,
  ListWorkersResponse,
  SolveRequest,
  SolveResponse,
  StatusRequest,
} from "../../api/proto/control.ts";
import { bridgeHandlers } from "./bridge.ts";
import { VERSION_RECORD, workerRecord } from "./capabilities.ts";
import { contentHandlers } from "./content.ts";
import { diskHandlers } from "./disk.ts";
import { historyHandlers } from "./history.ts";
import type { SolveWorld } from "./job-build.ts";
import { solve } from "./solve.ts";

const SERVICE = "/moby.buildkit.v1.Control";
/** grpc.health.v1. */
const SERVING = 1;
const NOT_SERVING = 2;

/** What the service works with. */
export interface ControlWorld extends SolveWorld {
  /** Whether no new builds are taken. */
  isDraining(): boolean;
}

/** Every method that is served, by its full name. */
export function controlHandlers(world: ControlWorld): ReadonlyMap<string, Handler> {
  return new Map<string, Handler>([
    [`${SERVICE}/Info`, unary(Empty, InfoResponse, () => ({ version: VERSION_RECORD }))],
    [
      `${SERVICE}/ListWorkers`,
      unary(ListWorkersRequest, ListWorkersResponse, () => ({ records: [workerRecord(world.settings)] })),
    ],
    [`${SERVICE}/Session`, (call) => world.sessions.hold(call)],
    [
      `${SERVICE}/Solve`,
      unary(SolveRequest, SolveResponse, async (request, call) => {
        if (world.isDraining()) throw new RpcError(CODE.unavailable, "the daemon is stopping and takes no new builds");
        try {
          return { exporterResponse: await solve(world, request, call) };
        } finally {
          // Older clients give what they have not read of it 3 s after the answer, and take its rest for a failure
          // (BuildKit, client/solve.go): on a busy machine that is not enough.
          await world.jobs.wasRead(request.ref, call);
        }
      }),
    ],
    [
      `${SERVICE}/Status`,
      streaming(StatusRequest, async ({ ref }, call) => {
        call.start({ "buildkit-current-timestamp": new Date().toISOString() });
        const { log } = await world.jobs.find(ref, false, call.signal);
        const whose = { owner: call.connection, closed: call.closed };
        for await (const lot of log.lots(call.signal, whose)) await call.sendAll(lot);
      }),
    ],
    [
      "/grpc.health.v1.Health/Check",
      unary(HealthRequest, HealthResponse, () => ({ status: world.isDraining() ? NOT_SERVING : SERVING })),
    ],
    ...bridgeHandlers(world),
    ...diskHandlers(world.settings.root),
    ...historyHandlers(world.settings.root, world.jobs),
    ...contentHandlers(world.settings.root, world.jobs),
  ]);
}

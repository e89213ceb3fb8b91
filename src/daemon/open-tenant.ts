// All of the daemon that is one tenant's: its store, its builds, its sessions, and the servers that know no others.

import type { Socket } from "node:net";
import { clientFolders } from "../../builder/client-folders.ts";
import { openEngine } from "../../builder/engine.ts";
import { GrpcServer } from "../api/grpc/server.ts";
import { Jobs } from "./control/jobs.ts";
import { controlHandlers } from "./control/service.ts";
import type { ControlWorld } from "./control/service.ts";
import { EngineEvents } from "./docker/events.ts";
import { dockerRoutes } from "./docker/routes.ts";
import { upgradeRoutes } from "./docker/upgrades.ts";
import { Protocols } from "./http/protocol.ts";
import { HttpServer } from "./http/server.ts";
import type { SessionWatch } from "./session/sessions.ts";
import { Sessions } from "./session/sessions.ts";
import type { DaemonSettings } from "./settings.ts";
import { clientOf } from "./tenants.ts";
import type { UiSettings } from "./ui/routes.ts";
import { watchRoutes } from "./watch/routes.ts";

/** What all tenants share. */
export interface SharedWorld extends Pick<ControlWorld, "observer" | "turns" | "stopped" | "isDraining"> {
  readonly patienceMs: number | undefined;
  readonly sessionWatch: SessionWatch;
  /** The numbers of all tenants, for Prometheus. */
  metricsText(): Promise<string>;
  /** Undefined: there are no pages. */
  readonly ui: UiSettings | undefined;
}

export interface OpenTenant {
  readonly settings: DaemonSettings;
  /** Number of builds under way. */
  readonly running: number;
  readonly sessions: number;
  /** Number of calls and requests under way. */
  readonly calls: number;
  /** Serves a connection of this tenant's. */
  accept(connection: Socket): void;
  /** Ends every connection, and waits until the work of their calls is over. */
  stop(): Promise<void>;
}

/** Makes the tenant's store or says why not, and clears what dead processes left there. Throws `STORE`. */
export async function openTenant(settings: DaemonSettings, shared: SharedWorld): Promise<OpenTenant> {
  await (await openEngine({ root: settings.root, disk: settings.disk }))[Symbol.asyncDispose]();
  const jobs = new Jobs(settings.root, {
    patienceMs: shared.patienceMs,
    mostEnded: settings.mostRecords,
    hasPages: shared.ui !== undefined,
  });
  const sessions = new Sessions(shared.patienceMs, shared.sessionWatch);
  const places = clientFolders(settings.root);
  const world: ControlWorld = { ...shared, settings, jobs, sessions, places, events: new EngineEvents() };
  const server = new GrpcServer(controlHandlers(world));
  // Loaded where they are wanted.
  const pages = shared.ui === undefined ? [] : (await import("./ui/routes.ts")).uiRoutes(shared.ui, settings, jobs);
  const http = new HttpServer(
    { routes: [...dockerRoutes(world), ...watchRoutes(shared), ...pages], upgrades: upgradeRoutes(server, sessions) },
    shared.stopped,
  );
  const protocols = new Protocols({
    http2: (connection) => server.accept(connection, clientOf(connection)),
    http1: (connection) => http.accept(connection),
  });
  return {
    settings,
    get running() {
      return jobs.running;
    },
    get sessions() {
      return sessions.size;
    },
    get calls() {
      return server.calls + http.requests;
    },
    accept: (connection) => protocols.accept(connection),
    stop: async () => {
      protocols[Symbol.dispose]();
      await Promise.all([server.stop(), http.stop()]);
      await jobs.close();
    },
  };
}

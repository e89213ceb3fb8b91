// One process, many clients: opens the addresses, serves until it is told to stop, then lets builds end.

import { setTimeout as sleep } from "node:timers/promises";
import { clientFolders } from "../../builder/client-folders.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { openEngine } from "../../builder/engine.ts";
import { Jobs } from "./control/jobs.ts";
import { controlHandlers } from "./control/service.ts";
import { GrpcServer } from "../api/grpc/server.ts";
import type { ListenOptions, Listener } from "./listen.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";
import { Sessions } from "./session/sessions.ts";
import type { DaemonSettings } from "./settings.ts";

export interface DaemonOptions extends ListenOptions {
  readonly addresses: readonly string[];
  readonly settings: DaemonSettings;
  /** How long builds may go on after the daemon was told to stop, in ms. */
  readonly graceMs: number;
  /** How long a call waits for the build or the session that it is about, in ms; a few seconds if not said. */
  readonly patienceMs?: number;
  readonly log: Log;
}

const POLL_MS = 50;

/**
 * Serves until `signal` is aborted. Then no new builds are taken, those under way may end within the grace, and those
 * that have not ended are cancelled; when it returns nothing of them is left. Throws what opening an address throws.
 */
export async function serve(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const { settings, log } = options;
  // Makes the store or says why not, and clears what dead processes left.
  await (await openEngine({ root: settings.root }))[Symbol.asyncDispose]();
  const jobs = new Jobs(settings.root, options.patienceMs);
  const stop = new AbortController();
  const handlers = controlHandlers({
    settings,
    jobs,
    sessions: new Sessions(options.patienceMs),
    places: clientFolders(settings.root),
    stopped: stop.signal,
    isDraining: () => signal.aborted,
    log,
  });
  const server = new GrpcServer(handlers);
  await using listeners = new AsyncDisposableStack();
  for (const address of options.addresses) {
    const opened: readonly Listener[] = await listen(address, options, (connection) => server.accept(connection));
    for (const listener of opened) {
      listeners.use(listener);
      log("info", "listening", { address: listener.address });
    }
  }
  await aborted(signal);
  log("info", "stopping", { builds: jobs.running });
  await listeners.disposeAsync();
  for (const end = performance.now() + options.graceMs; jobs.running > 0 && performance.now() < end;)
    await sleep(POLL_MS);
  if (jobs.running > 0) log("warn", "cancelling what has not ended", { builds: jobs.running });
  stop.abort(new BuildError("CANCELLED", "the daemon was stopped"));
  await server.stop();
  jobs.forgetAll();
  log("info", "stopped");
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

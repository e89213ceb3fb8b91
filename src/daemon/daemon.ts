// One process, many clients: opens the addresses, serves until it is told to stop, then lets builds end.

import { setTimeout as sleep } from "node:timers/promises";
import { clientFolders } from "../../builder/client-folders.ts";
import { accountedBytes } from "../../builder/disk-usage.ts";
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
import { DaemonMetrics } from "./watch/daemon-metrics.ts";
import { Observer } from "./watch/observer.ts";
import type { OtlpSettings } from "./watch/otlp.ts";
import { OtlpExporter } from "./watch/otlp.ts";

export interface DaemonOptions extends ListenOptions {
  readonly addresses: readonly string[];
  readonly settings: DaemonSettings;
  /** How long builds may go on after the daemon was told to stop, in ms. */
  readonly graceMs: number;
  /** How long a call waits for the build or the session that it is about, in ms; a few seconds if not said. */
  readonly patienceMs?: number;
  readonly log: Log;
  /** Where traces go; undefined: nowhere. */
  readonly otlp?: OtlpSettings | undefined;
}

const POLL_MS = 50;
/** How long the collector of traces is waited for at the end. */
const TRACES_MS = 5000;

/**
 * Serves until `signal` is aborted. Then no new builds are taken, those under way may end within the grace, and those
 * that have not ended are cancelled; when it returns nothing of them is left. Throws what opening an address throws.
 */
export async function serve(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const { settings, log } = options;
  // Makes the store or says why not, and clears what dead processes left.
  await (await openEngine({ root: settings.root }))[Symbol.asyncDispose]();
  const startedMs = Date.now();
  const jobs = new Jobs(settings.root, options.patienceMs);
  const metrics: DaemonMetrics = new DaemonMetrics(
    {
      buildsRunning: () => jobs.running,
      sessions: () => sessions.size,
      stepsRunning: () => 0,
      stepsWaiting: () => 0,
      storeBytes: () => accountedBytes(settings.root),
    },
    startedMs,
  );
  const sessions = new Sessions(options.patienceMs, {
    received: (bytes) => metrics.received(bytes),
    sent: (bytes) => metrics.sent(bytes),
    began: (session) => log("debug", "session", { session }),
    ended: (session) => log("debug", "session ended", { session }),
  });
  const traces = options.otlp === undefined ? undefined : new OtlpExporter(options.otlp, log);
  const stop = new AbortController();
  const handlers = controlHandlers({
    settings,
    jobs,
    sessions,
    places: clientFolders(settings.root),
    stopped: stop.signal,
    isDraining: () => signal.aborted,
    observer: new Observer({ log, metrics, traces }),
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
  await traces?.end(TRACES_MS);
  log("info", "stopped");
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

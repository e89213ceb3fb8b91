// One process, many clients: opens the addresses, serves until it is told to stop, then lets builds end.

import type { Socket } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { accountedBytes } from "../../builder/disk-usage.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { ListenOptions, Listener } from "./listen.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";
import type { OpenTenant } from "./open-tenant.ts";
import { openTenant } from "./open-tenant.ts";
import type { RefusedClient } from "./refused-client.ts";
import { Rest } from "./rest.ts";
import { tellServiceManager } from "./service-manager.ts";
import type { DaemonSettings } from "./settings.ts";
import type { TenantRule } from "./tenants.ts";
import { tenantOf } from "./tenants.ts";
import type { UiSettings } from "./ui/routes.ts";
import { FairTurns } from "./turns.ts";
import { DaemonMetrics } from "./watch/daemon-metrics.ts";
import { Observer } from "./watch/observer.ts";
import type { OtlpSettings } from "./watch/otlp.ts";
import { OtlpExporter } from "./watch/otlp.ts";

/** A tenant, and what it works with. */
export interface TenantSettings extends TenantRule {
  readonly settings: DaemonSettings;
}

export interface DaemonOptions extends ListenOptions {
  readonly addresses: readonly string[];
  /** Of clients that belong to no tenant. */
  readonly settings: DaemonSettings;
  readonly tenants?: readonly TenantSettings[];
  /** How long builds may go on after the daemon was told to stop, in ms. */
  readonly graceMs: number;
  /** How long a call waits for the build or the session that it is about, in ms; a few seconds if not said. */
  readonly patienceMs?: number;
  readonly log: Log;
  /** Where traces go; undefined: nowhere. */
  readonly otlp?: OtlpSettings | undefined;
  /** The web page; undefined: there is none. */
  readonly ui?: UiSettings | undefined;
}

const POLL_MS = 50;
/** How long clients may take to hear what came of their builds, and how long none calls who has. */
const FAREWELL_MS = 3000;
const QUIET_MS = 200;
/** How long the collector of traces is waited for at the end. */
const TRACES_MS = 5000;

/**
 * Serves until `signal` is aborted. Then no new builds are taken, those under way may end within the grace, and those
 * that have not ended are cancelled; when it returns nothing of them is left. Throws what opening an address throws.
 */
export async function serve(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const { settings, log, tenants: rules = [] } = options;
  const startedMs = Date.now();
  const turns = new FairTurns(settings.maxParallelism ?? availableParallelism());
  const tenants = new Map<string, OpenTenant>();
  const running = (): number => sumOf(tenants, (tenant) => tenant.running);
  const metrics = metricsOf(tenants, turns, startedMs);
  const traces = options.otlp === undefined ? undefined : new OtlpExporter(options.otlp, log);
  using rest = new Rest(() => running() === 0 && sumOf(tenants, ({ sessions }) => sessions) === 0);
  const calls = (): number => sumOf(tenants, (tenant) => tenant.calls);
  const stop = new AbortController();
  const shared = {
    patienceMs: options.patienceMs,
    turns,
    observer: new Observer({ log, metrics, traces }),
    stopped: stop.signal,
    isDraining: () => signal.aborted,
    metricsText: () => metrics.text(),
    ui: options.ui,
    sessionWatch: {
      received: (bytes: number) => metrics.received(bytes),
      sent: (bytes: number) => metrics.sent(bytes),
      began: (session: string) => log("debug", "session", { session }),
      ended: (session: string) => {
        log("debug", "session ended", { session });
        rest.soon();
      },
    },
  };
  for (const each of [settings, ...rules.map((rule) => rule.settings)])
    tenants.set(each.tenant, await openTenant(each, shared));
  await using listeners = new AsyncDisposableStack();
  const addresses = new Set([...options.addresses, ...rules.flatMap((rule) => rule.addresses)]);
  for (const address of addresses) {
    const take = (connection: Socket): void => {
      connection.once("close", () => rest.soon());
      tenants.get(tenantOf(connection, address, rules))?.accept(connection);
    };
    const onRefused = ({ hungUp, ...client }: RefusedClient): void =>
      log(hungUp ? "debug" : "warn", "client refused", { address, ...client });
    const opened: readonly Listener[] = await listen(address, { ...options, onRefused }, take);
    for (const listener of opened) {
      listeners.use(listener);
      log("info", "listening", { address: listener.address });
    }
  }
  tellServiceManager(options.environment, "READY=1", log);
  await aborted(signal);
  const builds = running();
  log("info", "stopping", { builds });
  tellServiceManager(options.environment, "STOPPING=1", log);
  await listeners.disposeAsync();
  for (const end = performance.now() + options.graceMs; running() > 0 && performance.now() < end;) await sleep(POLL_MS);
  if (running() > 0) log("warn", "cancelling what has not ended", { builds: running() });
  else await quiet(calls, builds > 0);
  stop.abort(new BuildError("CANCELLED", "the daemon was stopped"));
  if (running() > 0) await quiet(calls, true);
  await Promise.all([...tenants.values()].map((tenant) => tenant.stop()));
  await traces?.end(TRACES_MS);
  log("info", "stopped");
}

/**
 * Waits until no call is under way, for a little: clients are still to hear what came of their builds, and ask for what is
 * remembered of them. `mayAsk`: somebody may be about to call.
 */
async function quiet(calls: () => number, mayAsk: boolean): Promise<void> {
  let quietMs = mayAsk ? 0 : QUIET_MS;
  for (const end = performance.now() + FAREWELL_MS; performance.now() < end;) {
    quietMs = calls() > 0 ? 0 : quietMs + POLL_MS;
    if (quietMs > QUIET_MS) return;
    await sleep(POLL_MS);
  }
}

function metricsOf(tenants: ReadonlyMap<string, OpenTenant>, turns: FairTurns, startedMs: number): DaemonMetrics {
  return new DaemonMetrics(
    {
      buildsRunning: () => sumOf(tenants, ({ running }) => running),
      sessions: () => sumOf(tenants, ({ sessions }) => sessions),
      stepsRunning: () => turns.running,
      stepsWaiting: () => turns.waiting,
      storeBytes: () =>
        Promise.all(
          [...tenants].map(
            async ([tenant, { settings }]) => [{ tenant }, await accountedBytes(settings.root)] as const,
          ),
        ),
    },
    startedMs,
  );
}

function sumOf(tenants: ReadonlyMap<string, OpenTenant>, of: (tenant: OpenTenant) => number): number {
  return [...tenants.values()].reduce((sum, tenant) => sum + of(tenant), 0);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

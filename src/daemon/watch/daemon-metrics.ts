// What the daemon counts of its builds and of itself.

import { readdirSync } from "node:fs";
import type { VertexEvent } from "../../../builder/core/events.ts";
import { VERSION } from "../../version.ts";
import type { Counter, Histogram, Reading } from "./metrics.ts";
import { Metrics } from "./metrics.ts";

/** How a build ended. */
export type Ending = "succeeded" | "failed" | "cancelled";

/** What is asked when somebody reads the numbers. */
export interface Readings {
  readonly buildsRunning: Reading;
  readonly sessions: Reading;
  /** Steps that wait for their turn, and those that have it. */
  readonly stepsWaiting: Reading;
  readonly stepsRunning: Reading;
  /** What the stores take of the disk, in bytes. */
  readonly storeBytes: Reading;
}

/** In seconds: from what is known already to what takes an hour. */
const BUILD_SECONDS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** The daemon's numbers. */
export class DaemonMetrics {
  readonly #metrics = new Metrics();
  readonly #builds: Counter;
  readonly #seconds: Histogram;
  readonly #steps: Counter;
  readonly #received: Counter;
  readonly #sent: Counter;

  constructor(readings: Readings, startedMs: number) {
    const metrics = this.#metrics;
    metrics.gauge("tsbuild_info", "Which tsbuild this is.", () => [[{ version: VERSION }, 1]]);
    this.#builds = metrics.counter("tsbuild_builds_total", "Builds that ended, by how.");
    for (const result of ["succeeded", "failed", "cancelled"]) this.#builds.add(0, { result });
    metrics.gauge("tsbuild_builds_running", "Builds under way.", readings.buildsRunning);
    this.#seconds = metrics.histogram("tsbuild_build_duration_seconds", "How long builds took.", BUILD_SECONDS);
    this.#steps = metrics.counter("tsbuild_steps_total", "Steps that ended: done, cached or failed.");
    for (const result of ["done", "cached", "failed"]) this.#steps.add(0, { result });
    metrics.gauge("tsbuild_steps_running", "RUN steps under way.", readings.stepsRunning);
    metrics.gauge("tsbuild_steps_waiting", "RUN steps that wait for their turn.", readings.stepsWaiting);
    metrics.gauge("tsbuild_sessions", "Sessions of clients that are open.", readings.sessions);
    this.#received = metrics.counter("tsbuild_session_received_bytes_total", "Bytes that came from clients' sessions.");
    this.#sent = metrics.counter("tsbuild_session_sent_bytes_total", "Bytes that went to clients' sessions.");
    metrics.gauge("tsbuild_store_bytes", "What the store takes of the disk, by its own account.", readings.storeBytes);
    processMetrics(metrics, startedMs);
  }

  buildEnded(result: Ending, durationMs: number): void {
    this.#builds.add(1, { result });
    this.#seconds.observe(durationMs / 1000);
  }

  step({ completed, cached, error }: VertexEvent): void {
    if (completed === undefined) return;
    this.#steps.add(1, { result: error !== undefined ? "failed" : cached === true ? "cached" : "done" });
  }

  received(bytes: number): void {
    this.#received.add(bytes);
  }

  sent(bytes: number): void {
    this.#sent.add(bytes);
  }

  /** For Prometheus. */
  async text(): Promise<string> {
    return await this.#metrics.text();
  }
}

/** By the names that Prometheus' own libraries use. */
function processMetrics(metrics: Metrics, startedMs: number): void {
  metrics.gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  const seconds = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  metrics.gauge("process_cpu_seconds_total", "Processor time, user and system.", seconds, "counter");
  // The folder that is read is one of them.
  metrics.gauge("process_open_fds", "Open file descriptors.", () => readdirSync("/proc/self/fd").length - 1);
  metrics.gauge("process_start_time_seconds", "When it started, in seconds since the epoch.", () => startedMs / 1000);
}

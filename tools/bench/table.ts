// The table that a bench prints, a row for each program.

import type { Measured } from "./measure.ts";
import { median } from "./measure.ts";

/** Its first two lines. */
export const TABLE_HEAD =
  "| workload | program | median s | min s | x tsbuild | peak MB | daemon CPU s |\n|---|---|---|---|---|---|---|\n";

/** The rows of one workload; ratios are to tsbuild's median. */
export function tableRows(workload: string, results: ReadonlyMap<string, readonly Measured[]>): string {
  const ours = median((results.get("tsbuild") ?? []).map((run) => run.seconds));
  return [...results]
    .map(([name, runs]) => {
      const seconds = median(runs.map((run) => run.seconds));
      const least = Math.min(...runs.map((run) => run.seconds));
      const peak = Math.max(...runs.map((run) => run.peakMb));
      const daemon = runs.flatMap(({ daemonSeconds }) => daemonSeconds ?? []);
      const daemonTime = daemon.length === 0 ? "" : median(daemon).toFixed(2);
      const cells = [
        workload,
        name,
        seconds.toFixed(2),
        least.toFixed(2),
        (seconds / ours).toFixed(2),
        peak.toFixed(0),
      ];
      return `| ${[...cells, daemonTime].join(" | ")} |\n`;
    })
    .join("");
}

// `make bench`: every workload, every builder this machine has, interleaved; prints
// seconds, peak memory and the ratio to the first peer. Only ratios of one run count.
// BENCH_ROUNDS (3), BENCH_ONLY (a part of a workload's name) and BENCH_STATE (a folder on a journaled file system or tmpfs).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRootFileSystem } from "../demo/rootfs.ts";
import { findBuilders } from "./builders.ts";
import { type Measured, measure, median } from "./measure.ts";
import { WORKLOADS } from "./workloads.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const state = mkdtempSync(join(process.env["BENCH_STATE"] ?? tmpdir(), "tsbuild-bench-"));
try {
  const builders = findBuilders(state);
  process.stdout.write(
    `builders: ${builders.map((builder) => builder.name).join(", ")}; ${rounds} rounds; state in ${state}\n\n`,
  );
  process.stdout.write("| workload | builder | median s | min s | x tsbuild | peak MB |\n|---|---|---|---|---|---|\n");
  const { archive: rootfs } = await makeRootFileSystem();
  for (const workload of WORKLOADS.filter(({ name }) => name.includes(process.env["BENCH_ONLY"] ?? ""))) {
    const context = join(state, "context");
    workload.write(context, rootfs);
    const results = new Map<string, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const builder of builders) {
        const archive = workload.archive ? join(state, `${builder.name}.tar`) : undefined;
        if (archive !== undefined) rmSync(archive, { force: true });
        if (workload.start === "cold") builder.clean();
        else if (round === 0) await measure(builder.build(context, archive), process.env);
        spawnSync("sync");
        const known = results.get(builder.name) ?? [];
        results.set(builder.name, [...known, await measure(builder.build(context, archive), process.env)]);
      }
    }
    const ours = median((results.get("tsbuild") ?? []).map((run) => run.seconds));
    for (const [name, runs] of results) {
      const seconds = median(runs.map((run) => run.seconds));
      const least = Math.min(...runs.map((run) => run.seconds));
      const peak = Math.max(...runs.map((run) => run.peakMb));
      process.stdout.write(
        `| ${workload.name} | ${name} | ${seconds.toFixed(2)} | ${least.toFixed(2)} | ${(seconds / ours).toFixed(2)} | ${peak.toFixed(0)} |\n`,
      );
    }
    rmSync(context, { recursive: true, force: true });
  }
} finally {
  rmSync(state, { recursive: true, force: true });
}

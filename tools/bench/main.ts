// `make bench`: every workload, every builder this machine has, interleaved; then transfers, and contexts through buildx. Prints
// seconds, peak memory, the ratio to tsbuild and a daemon's processor time. Only ratios of one run count.
// BENCH_BUILDKITD (the address of one that runs) and BENCH_BUILDKITD_PID (its process), BENCH_ROUNDS (3), BENCH_ONLY (a part of a workload's name) and BENCH_STATE (a folder on a journaled file system or tmpfs).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRootFileSystem } from "../demo/rootfs.ts";
import { findBuilders } from "./builders.ts";
import { type Measured, measure } from "./measure.ts";
import { TABLE_HEAD, tableRows } from "./table.ts";
import { benchTransfers } from "./transfers.ts";
import { benchTunnel } from "./tunnel.ts";
import { WORKLOADS } from "./workloads.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const only = process.env["BENCH_ONLY"] ?? "";
const state = mkdtempSync(join(process.env["BENCH_STATE"] ?? tmpdir(), "tsbuild-bench-"));
try {
  const builders = findBuilders(state);
  process.stdout.write(
    `builders: ${builders.map((builder) => builder.name).join(", ")}; ${rounds} rounds; state in ${state}\n\n`,
  );
  process.stdout.write(TABLE_HEAD);
  const { archive: rootfs } = await makeRootFileSystem();
  for (const workload of WORKLOADS.filter(({ name }) => name.includes(only))) {
    const context = join(state, "context");
    workload.write(context, rootfs);
    const results = new Map<string, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const builder of builders) {
        const archive = workload.archive ? join(state, `${builder.name.replaceAll(/[ ,]+/g, "-")}.tar`) : undefined;
        if (archive !== undefined) rmSync(archive, { force: true });
        if (workload.start === "cold") builder.clean();
        else if (round === 0) await measure(builder.build(context, archive), process.env);
        spawnSync("sync");
        const known = results.get(builder.name) ?? [];
        results.set(builder.name, [...known, await measure(builder.build(context, archive), process.env)]);
      }
    }
    process.stdout.write(tableRows(workload.name, results));
    rmSync(context, { recursive: true, force: true });
  }
  await benchTransfers(state, rounds, only);
  await benchTunnel(state, rounds, only);
} finally {
  rmSync(state, { recursive: true, force: true });
}

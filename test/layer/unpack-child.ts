// Unpacks a layer in a process of its own and tells how much its memory grew meanwhile, in bytes: `BLOB DIRECTORY`.

import { readFileSync } from "node:fs";
import process from "node:process";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";

const [blobFile = "", directory = ""] = process.argv.slice(2);
await using jobs = openLayerJobs({ workers: 1 });
const before = peakBytes();
const { signal } = new AbortController();
await jobs.apply({ blobFile, compression: "gzip", directory, overlayXattrs: "trusted" }, signal);
process.stdout.write(`${peakBytes() - before}\n`);

/** The most memory that the process ever had. */
function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

// The memory of unpacking does not grow with the layer.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";

const MIB = 1 << 20;
const FILE_MIB = 160;
/** A worker takes some 35 MiB whatever it does; without care dead buffers take 45 MiB more. */
const GROWTH_MIB = 60;

const temp = mkdtempSync(join(tmpdir(), "tsbuild-unpack-"));
after(() => rmSync(temp, { recursive: true, force: true }));

test(`a file of ${FILE_MIB} MiB is unpacked with less than ${GROWTH_MIB} MiB`, async () => {
  const blobFile = join(temp, "layer.tar.gz");
  await using jobs = openLayerJobs({ workers: 1 });
  const size = FILE_MIB * MIB;
  const sparse = join(temp, "sparse");
  writeFileSync(sparse, "");
  truncateSync(sparse, size);
  const { uid, gid } = userInfo(); // whose files anybody may make
  const entry = { path: "file", type: "file", mode: 0o644, uid, gid, size, mtimeNs: 0n } as const;
  const content = [{ entry, source: { kind: "path", path: bytePath(sparse) } }] as const;
  const { signal } = new AbortController();
  await jobs.pack({ content, outFile: blobFile, sync: false, compression: "gzip", level: 1 }, signal);
  const directory = join(temp, "unpacked");
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "unpack-child.ts"), blobFile, directory]); // prettier-ignore
  assert.equal(statSync(join(directory, "file")).size, size);
  const grown = Number(stdout) / MIB;
  assert.ok(grown < GROWTH_MIB, `${grown} MiB`);
});

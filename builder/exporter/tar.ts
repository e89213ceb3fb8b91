// type=tar: a result's files as one tar, in the bytes that layers have.

import { open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { LayerJobs } from "../layer/jobs/jobs.ts";
import type { StatementFiles } from "./attestations.ts";
import type { FileSink } from "./file-sink.ts";
import { explainOutput, isPlainTarget, temporaryBeside, writeOutput } from "./file-sink.ts";
import type { PlatformTree } from "./merged.ts";
import { mergedEntries } from "./merged.ts";

export interface TarOptions {
  readonly destination: FileSink;
  /** One folder a platform: "linux_arm64". */
  readonly platformSplit: boolean;
  readonly jobs: Pick<LayerJobs, "pack">;
  /** For a tar that goes to a stream. */
  readonly workDirectory: string;
  /** Ceiling of all mtimes in seconds (SOURCE_DATE_EPOCH). */
  readonly epochSeconds?: number | undefined;
  /** Where attestations go; default: under their own names. */
  readonly statements?: StatementFiles;
}

/** Writes the tar. On any failure there is no file. Throws `OUTPUT`. */
export async function exportTar(
  trees: readonly PlatformTree[],
  options: TarOptions,
  signal: AbortSignal,
): Promise<void> {
  const { destination } = options;
  const entries = await mergedEntries(trees, options, signal);
  const pack = async (outFile: string, sync: boolean): Promise<void> => {
    const clamp =
      options.epochSeconds === undefined ? {} : { maxMtimeNs: BigInt(options.epochSeconds) * 1_000_000_000n };
    await options.jobs.pack({ content: entries, outFile, sync, compression: "uncompressed", ...clamp }, signal);
  };
  if (destination.kind === "file" && (await isPlainTarget(destination.path))) {
    await packBeside(destination.path, pack, signal);
    return;
  }
  const outFile = join(options.workDirectory, `export-${process.pid}-${serial++}.tar`);
  try {
    await pack(outFile, false);
    await writeOutput(destination, readChunks(outFile), signal);
  } finally {
    await rm(outFile, { force: true });
  }
}

let serial = 0;

async function packBeside(
  path: string,
  pack: (outFile: string, sync: boolean) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const temporary = await temporaryBeside(path).catch((error: unknown) => {
    throw explainOutput(error, path);
  });
  try {
    // What forbids it is told by the operating system to us, not to a worker.
    await writeFile(temporary, "", { flag: "wx" });
    await pack(temporary, true);
    signal.throwIfAborted();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    // The worker's own words do not say which file system it was.
    if (error instanceof BuildError && error.code === "OUTPUT")
      throw new BuildError("OUTPUT", `cannot write "${path}": ${error.message}`, { cause: error });
    throw explainOutput(error, path);
  }
}

async function* readChunks(path: string): AsyncIterable<Uint8Array> {
  await using file = await open(path);
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(1 << 20);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

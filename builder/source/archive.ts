// A build context that is an archive: on a stream, or at a URL. It lies on disk while it
// is used, since only its beginning tells what it is.

import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { untilAborted } from "../core/until-aborted.ts";
import { sniff } from "../layer/compression/decompress.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { LayerJobs } from "../layer/jobs/jobs.ts";
import { RootfsView } from "../layer/view/view.ts";

const BLOCK_BYTES = 512;

/** Writes a stream to a new file; how many bytes it had. Throws the signal's reason, also while the stream keeps it waiting. */
export async function spool(stream: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal): Promise<number> {
  await using file = await open(path, "wx", 0o600);
  let size = 0;
  for await (const chunk of untilAborted(stream, signal)) {
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    size += chunk.length;
  }
  return size;
}

/** Whether a file is an archive, plain or compressed: told as docker's clients do, by its first bytes. */
export function isArchive(path: string): boolean {
  const head = Buffer.alloc(BLOCK_BYTES);
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < head.length; length += read)
      read = readSync(file, head, length, head.length - length, length);
    return sniff(head.subarray(0, length)) !== "plain" || (length === BLOCK_BYTES && isTarHeader(head));
  } finally {
    closeSync(file);
  }
}

/** The tree of an archive. Its owners count; `.wh.` names mean nothing. Throws `ARCHIVE_INVALID`. */
export async function openArchive(
  path: string,
  jobs: LayerJobs,
  workDirectory: string,
  signal: AbortSignal,
): Promise<FileTree> {
  const entries = await jobs.unpack({ archiveFile: path, directory: join(workDirectory, randomUUID()) }, signal);
  const sources = new Map(entries.flatMap(({ entry, source }) => (source === undefined ? [] : [[entry.path, source]])));
  const pick = (paths: readonly string[]): typeof sources =>
    new Map(
      paths.flatMap((each) => {
        const source = sources.get(each);
        return source === undefined ? [] : [[each, source]];
      }),
    );
  return new RootfsView([
    { entries: entries.map(({ entry }) => entry), sources: (paths) => Promise.resolve(pick(paths)) },
  ]);
}

/** A header's checksum is the sum of its bytes, with its own field as spaces; old writers summed signed bytes. An empty archive begins with zeros. */
function isTarHeader(block: Uint8Array): boolean {
  if (block.every((byte) => byte === 0)) return true;
  const field = Buffer.from(block.subarray(148, 156)).toString("latin1");
  const [, digits] = /^[ \0]*([0-7]+)[ \0]*$/.exec(field) ?? [];
  if (digits === undefined) return false;
  let unsigned = 0;
  let signed = 0;
  for (const [at, byte] of block.entries()) {
    const value = at >= 148 && at < 156 ? 0x20 : byte;
    unsigned += value;
    signed += value < 128 ? value : value - 256;
  }
  const wanted = Number.parseInt(digits, 8);
  return wanted === unsigned || wanted === signed;
}

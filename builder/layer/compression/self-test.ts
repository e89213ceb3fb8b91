// Whether gzip gives here what it gives elsewhere.

import { createHash } from "node:crypto";
import { constants, deflateRawSync } from "node:zlib";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { DEFAULT_LEVEL } from "./block-codec.ts";

/**
 * Whether this Node's zlib gives the bytes that blobs of ours have elsewhere. A Node built against the
 * system's zlib may not: then digests differ from machine to machine, and only the portable encoder helps.
 */
export function selfTestGzip(): boolean {
  const options = { level: DEFAULT_LEVEL.gzip, finishFlush: constants.Z_SYNC_FLUSH };
  return digestOf(deflateRawSync(selfTestInput(), options)) === SELF_TEST_DIGEST;
}

const SELF_TEST_DIGEST: Digest = "sha256:8e0ab230caa3bf5861cdcf9ba84bc0ab33ce3c91936459b0d0bdd8f02ba695c0";

/** 256 KiB with runs, words and noise, made of SHA-256 alone. */
function selfTestInput(): Buffer {
  const noise = createHash("sha256").update("tsbuild").digest();
  const parts: Buffer[] = [];
  for (let i = 0; i < 4096; i++) {
    const word = noise.subarray(i % 13, (i % 13) + 3 + ((i * 7) % 17));
    const line = `${i % 97} ${word.toString("hex")} ${"ab".repeat(i % 11)}\n`;
    parts.push(Buffer.from(line.padEnd(64, String(i % 10)).slice(0, 64)));
  }
  return Buffer.concat(parts);
}

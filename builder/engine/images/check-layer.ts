// The checks of one layer, or of a blob that is none: it is read to its end and hashed; a layer is unpacked, too.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester } from "../../core/digest.ts";
import type { Check } from "../../image/checks.ts";
import { check, checkDigest, checkSize } from "../../image/checks.ts";
import type { ByteSource } from "../../layer/compression/decompress.ts";
import type { MeasuredBlob } from "../../layer/measure.ts";
import { measureBlob } from "../../layer/measure.ts";

/** Checks a blob against its descriptor and, where the config has one, its diff_id. Throws what the source throws. */
export async function checkLayer(
  blob: ByteSource,
  layer: Descriptor,
  diffId: Digest | undefined,
  signal: AbortSignal,
): Promise<Check[]> {
  const found = await measureBlob(blob, signal);
  return [
    checkDigest(layer.digest, found.digest),
    checkSize(layer.size, found.size),
    ...checkCompression(layer.mediaType, found),
    check("it unpacks to the tar of a layer", found.fault === undefined, found.fault),
    ...(diffId === undefined ? [] : [checkDiffId(diffId, found)]),
  ];
}

/** Checks a blob that need not be a tar. */
export async function checkBlob(blob: ByteSource, descriptor: Descriptor, signal: AbortSignal): Promise<Check[]> {
  const digester = new Digester();
  for await (const chunk of blob) {
    signal.throwIfAborted();
    digester.update(chunk);
  }
  const size = digester.sizeBytes;
  return [checkDigest(descriptor.digest, digester.digest()), checkSize(descriptor.size, size)];
}

function checkCompression(mediaType: string, found: MeasuredBlob): Check[] {
  const told = compressionOf(mediaType);
  const isLayer = check("its media type is one of a layer", told !== undefined, `it is "${mediaType}"`);
  if (told === undefined) return [isLayer];
  const format = found.format === "plain" ? "uncompressed" : found.format;
  return [isLayer, check(`it is ${told}, as its media type says`, told === format, `it is ${format}`)];
}

function checkDiffId(diffId: Digest, found: MeasuredBlob): Check {
  const detail = found.diffId === undefined ? "it does not unpack" : `it is ${found.diffId}`;
  return check(`its diff_id is ${diffId}`, found.diffId === diffId, detail);
}

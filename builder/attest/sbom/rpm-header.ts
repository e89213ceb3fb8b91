// The header of an RPM package as its database keeps it: a count of entries, the size of the
// data, entries (tag, type, offset, count), the data (rpm, docs/manual/hregions.md and format_header.md).

/** The tags that are read. */
export const RPM_TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  summary: 1004,
  vendor: 1011,
  license: 1014,
  url: 1020,
  architecture: 1022,
  sourceRpm: 1044,
} as const;

/** The first value of each wanted tag, numbers as text. Throws when the bytes are no header. */
export function readRpmHeader(blob: Uint8Array): ReadonlyMap<number, string> {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.length);
  const count = bytes.length < 8 ? 0 : bytes.readUInt32BE(0);
  const start = 8 + count * ENTRY_BYTES;
  if (count === 0 || start > bytes.length) throw new Error("it is no package header");
  const data = bytes.subarray(start, start + bytes.readUInt32BE(4));
  const wanted = new Set<number>(Object.values(RPM_TAG));
  const found = new Map<number, string>();
  for (let at = 8; at < start; at += ENTRY_BYTES) {
    const tag = bytes.readUInt32BE(at);
    if (!wanted.has(tag) || found.has(tag)) continue;
    const value = valueOf(data, bytes.readUInt32BE(at + 4), bytes.readUInt32BE(at + 8));
    if (value !== undefined) found.set(tag, value);
  }
  return found;
}

const ENTRY_BYTES = 16;
const INT32 = 4;
const STRINGS = new Set([6, 8, 9]);

function valueOf(data: Buffer, type: number, offset: number): string | undefined {
  if (type === INT32) return offset + 4 <= data.length ? String(data.readUInt32BE(offset)) : undefined;
  if (!STRINGS.has(type)) return undefined;
  const end = data.indexOf(0, offset);
  return end < 0 ? undefined : data.toString("utf8", offset, end);
}

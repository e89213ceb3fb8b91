// Databases of RPM packages: as rpm 4.16 and later keep it, and in rpm's own form.

import { DatabaseSync } from "node:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Tag, value; numbers are INT32, texts STRING. */
export type RpmTags = readonly (readonly [number, string | number])[];

/** The bytes of a database of these packages. `folder` is for files while it is made. */
export function rpmDatabase(folder: string, packages: readonly Uint8Array[]): Uint8Array {
  const file = join(folder, "made.sqlite");
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO Packages (blob) VALUES (?)");
  for (const blob of packages) insert.run(blob);
  database.close();
  return readFileSync(file);
}

/** The same in the form that is called ndb: a page of slots, then the headers in blocks of 16 bytes. */
export function ndbDatabase(packages: readonly Uint8Array[]): Buffer {
  const slots = Buffer.alloc(4096);
  for (let at = 0; at < slots.length; at += 16) slots.write("Slot", at);
  slots.write("RpmP");
  [0, 1, 1, packages.length + 1].forEach((field, at) => slots.writeUInt32LE(field, 4 + at * 4));
  const blobs = packages.map((header, at) => {
    const blocks = Math.ceil((header.length + 28) / 16);
    const blob = Buffer.alloc(blocks * 16);
    blob.write("BlbS");
    [at + 1, 1, header.length].forEach((field, number) => blob.writeUInt32LE(field, 4 + number * 4));
    blob.set(header, 16);
    blob.writeUInt32LE(header.length, blob.length - 8);
    blob.write("BlbE", blob.length - 4);
    return blob;
  });
  let block = slots.length / 16;
  for (const [at, blob] of blobs.entries()) {
    [at + 1, block, blob.length / 16].forEach((field, number) =>
      slots.writeUInt32LE(field, 32 + at * 32 + 4 + number * 4),
    );
    block += blob.length / 16;
  }
  return Buffer.concat([slots, ...blobs]);
}

/** The header of one package. */
export function rpmHeader(tags: RpmTags): Buffer {
  const index: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  for (const [tag, value] of tags) {
    const isNumber = typeof value === "number";
    const padding = isNumber ? (4 - (offset % 4)) % 4 : 0;
    const bytes = isNumber ? Buffer.alloc(4) : Buffer.from(`${value}\0`);
    if (isNumber) bytes.writeUInt32BE(value);
    offset += padding;
    const entry = Buffer.alloc(16);
    [tag, isNumber ? 4 : 6, offset, 1].forEach((field, at) => entry.writeUInt32BE(field, at * 4));
    index.push(entry);
    data.push(Buffer.alloc(padding), bytes);
    offset += bytes.length;
  }
  const head = Buffer.alloc(8);
  head.writeUInt32BE(tags.length, 0);
  head.writeUInt32BE(offset, 4);
  return Buffer.concat([head, ...index, ...data]);
}

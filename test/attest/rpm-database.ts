// A database of RPM packages, as rpm 4.16 and later keep it.

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

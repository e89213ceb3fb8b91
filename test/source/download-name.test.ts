// What downloaded files are called.

import assert from "node:assert/strict";
import { test } from "node:test";

import { downloadName } from "../../builder/source/download-name.ts";

const CASES: readonly (readonly [url: string, asked: string, disposition: string | undefined, name: string])[] = [
  ["http://h/a/b.txt?x=y#z", "", undefined, "b.txt"],
  ["http://h/a/b.txt", "asked", 'attachment; filename="sent"', "asked"],
  ["http://h/a/b.txt", "", 'attachment; filename="sent.txt"', "sent.txt"],
  ["http://h/a/b.txt", "", "attachment; filename=sent.txt; size=3", "sent.txt"],
  ["http://h/a/b.txt", "", 'attachment; filename="../../etc/passwd"', "passwd"],
  ["http://h/a/b.txt", "", 'attachment; filename="dir/"', "b.txt"],
  ["http://h/a/b.txt", "", "attachment; filename*=UTF-8''%e2%82%ac.txt", "€.txt"],
  ["http://h/a/", "", undefined, "a"],
  ["http://h", "", undefined, "download"],
  ["http://h/%2e%2e", "", undefined, "download"],
  ["http://h/a%0ab", "", undefined, "download"],
  ["http://h/a%20b", "", undefined, "a b"],
  ["http://h/x", "..", undefined, "download"],
];

for (const [url, asked, disposition, name] of CASES) {
  test(`${url}${asked === "" ? "" : ` as "${asked}"`}${disposition === undefined ? "" : ` with "${disposition}"`} is "${name}"`, () => {
    assert.equal(downloadName(url, asked, disposition), name);
  });
}

// The packages of RPM databases of every form, and what is done with damaged ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { ndbDatabase, rpmDatabase, rpmHeader } from "./rpm-database.ts";
import { folder, purls, scan } from "./scanned.ts";

suite("RPM", () => {
  test("the SQLite database, without the keys that lie in it", async () => {
    const bash = rpmHeader([
      [1000, "bash"],
      [1001, "5.2.26"],
      [1002, "3.fc40"],
      [1003, 1],
      [1014, "GPL-3.0-or-later"],
      [1022, "x86_64"],
      [1044, "bash-5.2.26-3.fc40.src.rpm"],
    ]);
    const key = rpmHeader([
      [1000, "gpg-pubkey"],
      [1001, "a15b79cc"],
    ]);
    const found = await scan({
      "etc/os-release": "ID=fedora\nVERSION_ID=40\n",
      "usr/lib/sysimage/rpm/rpmdb.sqlite": rpmDatabase(folder(), [bash, key]),
    });
    assert.deepEqual(purls(found), [
      "pkg:rpm/fedora/bash@5.2.26-3.fc40?arch=x86_64&distro=fedora-40&epoch=1&upstream=bash-5.2.26-3.fc40.src.rpm",
    ]);
    assert.equal(found.software[0]?.version, "1:5.2.26-3.fc40");
  });

  test("a database that rpm itself made", async () => {
    const file = join(import.meta.dirname, "../../fixtures/sbom/rpmdb.sqlite.gz");
    const found = await scan({ "var/lib/rpm/rpmdb.sqlite": gunzipSync(readFileSync(file)) });
    assert.deepEqual(purls(found), ["pkg:rpm/hello-test@1.2-3?arch=noarch&epoch=4&upstream=hello-test-1.2-3.src.rpm"]);
    const [package_] = found.software;
    assert.deepEqual([package_?.license, package_?.maintainer], ["MIT", "Some Vendor"]);
  });

  for (const file of ["Packages", "Packages-big-endian"]) {
    test(`a database of Berkeley DB (${file}), with a header of several pages`, async () => {
      const packed = readFileSync(join(import.meta.dirname, `../../fixtures/sbom/${file}.gz`));
      const found = await scan({ "var/lib/rpm/Packages": gunzipSync(packed) });
      assert.deepEqual(purls(found), [
        "pkg:rpm/hello-test@1.2-3?arch=noarch&epoch=4&upstream=hello-test-1.2-3.src.rpm",
        "pkg:rpm/other-test@1.2-3?arch=noarch&epoch=4&upstream=hello-test-1.2-3.src.rpm",
      ]);
      assert.deepEqual(found.notes, []);
    });
  }

  test("a database in the form of ndb, and what an older rpm left beside it", async () => {
    const headers = ["a", "b", "c"].map((name) =>
      rpmHeader([
        [1000, name],
        [1001, "1"],
        [1004, name.repeat(5000)],
      ]),
    );
    const found = await scan({ "var/lib/rpm/Packages.db": ndbDatabase(headers), "var/lib/rpm/Packages": "old" });
    assert.deepEqual(purls(found), ["pkg:rpm/a@1", "pkg:rpm/b@1", "pkg:rpm/c@1"]);
    assert.deepEqual(found.notes, ["/var/lib/rpm/Packages: not read: Packages.db beside it is newer"]);
  });

  test("a damaged database is noted, whatever is damaged", async () => {
    const berkeley = gunzipSync(readFileSync(join(import.meta.dirname, "../../fixtures/sbom/Packages.gz")));
    const ndb = ndbDatabase([
      rpmHeader([
        [1000, "a"],
        [1001, "1"],
      ]),
    ]);
    const places = { "var/lib/rpm/Packages": berkeley, "var/lib/rpm/Packages.db": ndb };
    const damage = fc.record({ at: fc.nat(), to: fc.constantFrom(0, 1, 255), cut: fc.boolean() });
    for (const [path, whole] of Object.entries(places)) {
      const heads = path.endsWith(".db") ? 4200 : whole.length;
      await fc.assert(
        fc.asyncProperty(damage, async ({ at, to, cut }) => {
          const bytes = Buffer.from(whole);
          bytes[at % heads] = to;
          const found = await scan({ [path]: cut ? bytes.subarray(0, at % bytes.length) : bytes });
          assert.ok(found.notes.length <= 1 && found.software.length <= 2);
          if (cut) assert.equal(found.notes.length, 1);
        }),
        { numRuns: 60 },
      );
    }
  });

  test("pages that lead in a circle, and packages in one place, end the reading", async () => {
    const berkeley = gunzipSync(readFileSync(join(import.meta.dirname, "../../fixtures/sbom/Packages.gz")));
    const pages = Array.from({ length: berkeley.length / 4096 }, (_, at) => berkeley.subarray(at * 4096));
    const long = pages.find((page) => page[25] === 7 && page.readUInt32LE(16) !== 0);
    long?.copy(long, 16, 8, 12);
    const circle = await scan({ "var/lib/rpm/Packages": berkeley });
    assert.match(circle.notes.join(), /belongs to two packages/);
    const ndb = ndbDatabase([rpmHeader([[1000, "a"]]), rpmHeader([[1000, "b"]])]);
    ndb.copy(ndb, 64 + 8, 32 + 8, 32 + 16);
    assert.match((await scan({ "var/lib/rpm/Packages.db": ndb })).notes.join(), /lie in one place/);
  });
});

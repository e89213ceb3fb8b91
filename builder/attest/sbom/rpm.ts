// RPM packages: the SQLite database that rpm has had since 4.16. Its older and rarer forms
// (Berkeley DB, ndb) are named as not read.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BytePath } from "../../core/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import { RPM_TAG, readRpmHeader } from "./rpm-header.ts";
import type { Cataloger, ScannedFiles, Software, SystemRelease } from "./software.ts";
import { distroOf } from "./software.ts";

const FOLDERS = "(?:var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)";
const SQLITE = new RegExp(`^${FOLDERS}/rpmdb\\.sqlite$`);
const LOG = new RegExp(`^${FOLDERS}/rpmdb\\.sqlite-wal$`);
const OTHERS = new RegExp(`^${FOLDERS}/(Packages|Packages\\.db)$`);

export const rpm: Cataloger = {
  wants: (path: BytePath) => SQLITE.test(path) || LOG.test(path) || OTHERS.test(path),
  find(files: ScannedFiles): readonly Software[] {
    const found: Software[] = [];
    for (const path of files.paths) {
      if (OTHERS.test(path)) {
        const kind = path.endsWith(".db") ? "ndb" : "Berkeley DB";
        files.note(path, `an RPM database in the form of ${kind}, which is not read: its packages are missing here`);
      }
      if (!SQLITE.test(path)) continue;
      try {
        found.push(...readDatabase(files, path));
      } catch (error) {
        files.note(path, error instanceof Error ? error.message : String(error));
      }
    }
    return found;
  },
};

/** A copy is opened: SQLite wants to write beside a database that has a log. */
function readDatabase(files: ScannedFiles, path: BytePath): readonly Software[] {
  const copy = join(files.scratch, "rpmdb.sqlite");
  if (existsSync(copy)) throw new Error("there is more than one RPM database");
  writeFileSync(copy, files.bytes(path));
  const log = `${path}-wal`;
  if (files.paths.includes(log)) writeFileSync(`${copy}-wal`, files.bytes(log));
  const database = new DatabaseSync(copy, { allowExtension: false });
  try {
    // The file is the image's, not ours: nothing that it defines may run.
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;");
    const rows = database.prepare("SELECT blob FROM Packages ORDER BY hnum").all();
    return rows.flatMap(({ blob }) => (blob instanceof Uint8Array ? packageOf(blob, path, files) : []));
  } finally {
    database.close();
  }
}

function packageOf(blob: Uint8Array, path: BytePath, files: ScannedFiles): Software[] {
  const tags = readRpmHeader(blob);
  const name = tags.get(RPM_TAG.name) ?? "";
  const version = tags.get(RPM_TAG.version) ?? "";
  const release = tags.get(RPM_TAG.release) ?? "";
  // Keys that packages are verified with lie among the packages.
  if (name === "" || name === "gpg-pubkey") return [];
  const epoch = tags.get(RPM_TAG.epoch);
  const full = `${version}${release === "" ? "" : `-${release}`}`;
  return [
    {
      name,
      version: epoch === undefined ? full : `${epoch}:${full}`,
      purl: formatPackageUrl({
        type: "rpm",
        namespace: vendorOf(files.system),
        name,
        version: full,
        qualifiers: {
          arch: tags.get(RPM_TAG.architecture),
          distro: distroOf(files.system),
          epoch,
          upstream: tags.get(RPM_TAG.sourceRpm),
        },
      }),
      from: "the RPM database",
      evidence: [path],
      license: tags.get(RPM_TAG.license),
      maintainer: tags.get(RPM_TAG.vendor),
      homepage: tags.get(RPM_TAG.url),
      description: tags.get(RPM_TAG.summary),
    },
  ];
}

/** Red Hat's systems are "redhat" in package URLs (purl-spec, rpm). */
function vendorOf(system: SystemRelease | undefined): string | undefined {
  return system?.id === "rhel" ? "redhat" : system?.id;
}

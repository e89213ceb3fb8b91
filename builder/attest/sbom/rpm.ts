// RPM packages: of the database that rpm has had since 4.16, and of its older and rarer forms.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { DatabaseFile } from "./rpm-databases.ts";
import { berkeleyPackages, ndbPackages, sqlitePackages } from "./rpm-databases.ts";
import { RPM_TAG, readRpmHeader } from "./rpm-header.ts";
import type { Cataloger, ScannedFiles, Software, SystemRelease } from "./software.ts";
import { distroOf } from "./software.ts";

/** Of the forms in one folder the first counts: rpm leaves older ones behind when it moves to a newer one. */
const FORMS = ["rpmdb.sqlite", "Packages.db", "Packages"] as const;
const DATABASE =
  /^(var\/lib\/rpm|usr\/lib\/sysimage\/rpm|usr\/share\/rpm)\/(rpmdb\.sqlite|Packages\.db|Packages|rpmdb\.sqlite-wal)$/;

export const rpm: Cataloger = {
  wants: (path: BytePath) => DATABASE.test(path),
  find(files: ScannedFiles): readonly Software[] {
    const found: Software[] = [];
    for (const folder of new Set(files.paths.map((path) => path.slice(0, path.lastIndexOf("/"))))) {
      const [form, ...older] = FORMS.filter((name) => files.paths.includes(`${folder}/${name}`));
      if (form === undefined) continue;
      for (const name of older) files.note(`${folder}/${name}`, `not read: ${form} beside it is newer`);
      const path = `${folder}/${form}`;
      try {
        // What was found before a damaged part counts.
        for (const header of headersIn(files, path, form)) found.push(...packageOf(header, path, files));
      } catch (error) {
        files.note(path, error instanceof Error ? error.message : String(error));
      }
    }
    return found;
  },
};

function headersIn(files: ScannedFiles, path: BytePath, form: (typeof FORMS)[number]): Iterable<Uint8Array> {
  const file = databaseFile(files, path);
  switch (form) {
    case "rpmdb.sqlite": {
      const log = `${path}-wal`;
      return sqlitePackages(file, files.paths.includes(log) ? databaseFile(files, log) : undefined, files.scratch);
    }
    case "Packages.db":
      return ndbPackages(file);
    case "Packages":
      return berkeleyPackages(file);
  }
}

/** Reads ahead: what is asked for next mostly comes next in the file. */
function databaseFile(files: ScannedFiles, path: BytePath): DatabaseFile {
  let [start, window]: [number, Buffer] = [0, Buffer.alloc(0)];
  return {
    size: files.size(path),
    read: (offset, length) => {
      if (offset < start || offset + length > start + window.length) {
        const bytes = files.part(path, offset, Math.max(length, WINDOW_BYTES));
        [start, window] = [offset, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)];
      }
      if (offset + length > start + window.length) throw new Error("it ends too early");
      return window.subarray(offset - start, offset - start + length);
    },
  };
}

const WINDOW_BYTES = 1 << 18;

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

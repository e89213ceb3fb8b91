// Debian's packages: /var/lib/dpkg/status, or a file a package in status.d (images without
// dpkg), and their licences where the copyright file can be read by machines (DEP 5).

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Entry } from "../../layer/entry.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { distroOf, eachFile } from "./software.ts";
import { parseStanzas } from "./stanzas.ts";

const STATUS = /^var\/lib\/dpkg\/(?:status|status\.d\/(?!.*\.(?:md5sums|preinst|postinst|list)$)[^/]+)$/;
const COPYRIGHT = /^usr\/share\/doc\/[^/]+\/copyright$/;
const MOST_COPYRIGHT_BYTES = 1 << 20;

export const dpkg: Cataloger = {
  wants: (path: BytePath, { size }: Entry) =>
    STATUS.test(path) || (size <= MOST_COPYRIGHT_BYTES && COPYRIGHT.test(path)),
  find(files: ScannedFiles): readonly Software[] {
    const copyrights = new Set(files.paths.filter((path) => COPYRIGHT.test(path)));
    const databases = files.paths.filter((path) => STATUS.test(path));
    return eachFile({ ...files, paths: databases }, (path) =>
      parseStanzas(files.text(path))
        .filter((fields) => isInstalled(fields))
        .map((fields) => packageOf(fields, path, files, copyrights)),
    );
  },
};

/** The states of packages whose files are all there, though they may not be set up (dpkg(1), "Package states"). */
const UNPACKED = ["unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed"];

/** `want ok installed`, or a file of status.d, which says nothing of it. */
function isInstalled(fields: ReadonlyMap<string, string>): boolean {
  const status = fields.get("status");
  if (!fields.has("package") || !fields.has("version")) return false;
  return status === undefined || UNPACKED.includes(status.slice(status.lastIndexOf(" ") + 1));
}

function packageOf(
  fields: ReadonlyMap<string, string>,
  path: BytePath,
  files: ScannedFiles,
  copyrights: ReadonlySet<BytePath>,
): Software {
  const name = fields.get("package") ?? "";
  const version = fields.get("version") ?? "";
  const copyright = bytePath(`usr/share/doc/${name}/copyright`);
  return {
    name,
    version,
    purl: formatPackageUrl({
      type: "deb",
      namespace: files.system?.id ?? "debian",
      name,
      version,
      qualifiers: {
        arch: fields.get("architecture"),
        distro: distroOf(files.system),
        upstream: sourceOf(fields.get("source"), name),
      },
    }),
    from: "the dpkg database",
    evidence: [path],
    license: copyrights.has(copyright) ? licenseOf(files.text(copyright)) : undefined,
    maintainer: fields.get("maintainer"),
    homepage: fields.get("homepage"),
    description: fields.get("description")?.split("\n")[0],
  };
}

/** `source` or `source (version)`, where it differs from the package, as `source` or `source@version`. */
function sourceOf(text: string | undefined, name: string): string | undefined {
  const [, source = "", version] = /^(\S+)(?:\s+\((.*)\))?$/.exec(text ?? "") ?? [];
  if (source === "" || (source === name && version === undefined)) return undefined;
  return version === undefined ? source : `${source}@${version}`;
}

/** All licences that a copyright file names, in SPDX's words where Debian has others. */
function licenseOf(text: string): string | undefined {
  if (!/^Format:/m.test(text.slice(0, 2000))) return undefined;
  const named = parseStanzas(text).flatMap((fields) => fields.get("license")?.split("\n")[0]?.trim() || []);
  const expressions = [...new Set(named.map(toSpdx))].sort();
  if (expressions.length <= 1) return expressions[0];
  return expressions.map((each) => (/\s(?:or|and)\s/i.test(each) ? `(${each})` : each)).join(" AND ");
}

const NAMES: Readonly<Record<string, string>> = {
  expat: "MIT",
  "mit/x11": "X11",
  x11: "X11",
  zlib: "Zlib",
  isc: "ISC",
  curl: "curl",
  artistic: "Artistic-1.0-Perl",
  "bsd-2-clause": "BSD-2-Clause",
  "bsd-3-clause": "BSD-3-Clause",
  "bsd-4-clause": "BSD-4-Clause",
  "bsl-1.0": "BSL-1.0",
  "cc0-1.0": "CC0-1.0",
  "python-2.0": "Python-2.0",
};

/** "GPL-2+" is "GPL-2.0-or-later"; "A and B" stays, in SPDX's capitals. What is unknown stays as it is. */
function toSpdx(license: string): string {
  return license
    .split(/\s+(?=(?:and|or)\s)|(?<=\s(?:and|or))\s+/i)
    .map((word) => {
      if (/^(?:and|or)$/i.test(word)) return word.toUpperCase();
      const [, family = "", number = "", plus] = /^([AL]?GPL)-(\d(?:\.\d)?)(\+)?$/i.exec(word) ?? [];
      if (family !== "") {
        const version = number.includes(".") ? number : `${number}.0`;
        return `${family.toUpperCase()}-${version}-${plus === undefined ? "only" : "or-later"}`;
      }
      return NAMES[word.toLowerCase()] ?? word;
    })
    .join(" ");
}

// Alpine's packages: the database of apk, letters and values in paragraphs (apk-installed(5)).

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { distroOf, eachFile } from "./software.ts";

const DATABASE = /^(?:usr\/)?lib\/apk\/db\/installed$/;

export const apk: Cataloger = {
  wants: (path: BytePath) => DATABASE.test(path),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) =>
      files
        .text(path)
        .split(/\n\n+/)
        .map(fieldsOf)
        .filter((fields) => fields.has("P") && fields.has("V"))
        .map((fields) => packageOf(fields, path, files)),
    ),
};

/** The package's own lines; those of its files follow and use the same letters. */
function fieldsOf(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of paragraph.split("\n")) {
    if (line.startsWith("F:")) break;
    if (line[1] === ":") fields.set(line.slice(0, 1), line.slice(2).trim());
  }
  return fields;
}

function packageOf(fields: ReadonlyMap<string, string>, path: BytePath, { system }: ScannedFiles): Software {
  const name = fields.get("P") ?? "";
  const version = fields.get("V") ?? "";
  const origin = fields.get("o");
  return {
    name,
    version,
    purl: formatPackageUrl({
      type: "apk",
      namespace: system?.id ?? "alpine",
      name,
      version,
      qualifiers: {
        arch: fields.get("A"),
        distro: distroOf(system),
        upstream: origin === name ? undefined : origin,
      },
    }),
    from: "the apk database",
    evidence: [path],
    license: fields.get("L"),
    maintainer: fields.get("m"),
    homepage: fields.get("U"),
    description: fields.get("T"),
  };
}

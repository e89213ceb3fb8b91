// Java's packages: what Maven wrote into archives about them (META-INF/maven/…/pom.properties), also of archives in
// archives, as programs that are one file have them.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Entry } from "../../layer/entry.ts";
import type { ReadPart } from "./elf.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";
import { readZipMember, storedMember, zipMembers } from "./zip.ts";

const ARCHIVE = /\.(?:jar|war|ear|jpi|hpi)$/;
const PROPERTIES = /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const MOST_PROPERTIES_BYTES = 64 << 10;
const MOST_INNER_BYTES = 64 << 20;
/** A library in a war in an ear. */
const DEEPEST = 3;

export const java: Cataloger = {
  wants: (path: BytePath, { size }: Entry) => ARCHIVE.test(path) && size > 0,
  find: (files: ScannedFiles) =>
    eachFile(files, (path) =>
      inArchive(
        (offset, length) => files.part(path, offset, length),
        files.size(path),
        1,
        (why) => files.note(path, why),
      )
        .filter(({ group, artifact, version }) => group !== "" && artifact !== "" && version !== "")
        .map(({ group, artifact, version }): Software => {
          const purl = formatPackageUrl({ type: "maven", namespace: group, name: artifact, version });
          return {
            name: `${group}:${artifact}`,
            version,
            purl,
            from: "pom.properties in a Java archive",
            evidence: [path],
          };
        }),
    ),
};

interface Artifact {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
}

function inArchive(read: ReadPart, sizeBytes: number, depth: number, note: (why: string) => void): Artifact[] {
  return zipMembers(read, sizeBytes).flatMap((member): Artifact[] => {
    if (PROPERTIES.test(member.name)) {
      const fields = propertiesOf(Buffer.from(readZipMember(read, member, MOST_PROPERTIES_BYTES)).toString("latin1"));
      const [group = "", artifact = "", version = ""] = ["groupId", "artifactId", "version"].map((key) =>
        fields.get(key),
      );
      return [{ group, artifact, version }];
    }
    if (!ARCHIVE.test(member.name) || depth >= DEEPEST) return [];
    try {
      const bytes = member.method === 0 ? undefined : readZipMember(read, member, MOST_INNER_BYTES);
      const inner = bytes === undefined ? storedMember(read, member) : partsOf(bytes);
      return inner === undefined ? [] : inArchive(inner, member.sizeBytes, depth + 1, note);
    } catch (error) {
      note(`${member.name}: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  });
}

function partsOf(bytes: Uint8Array): ReadPart {
  return (offset, length) => bytes.subarray(offset, offset + length);
}

/** Lines of `key=value`; Maven writes nothing else (java.util.Properties has more forms). */
function propertiesOf(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, key, value] = /^\s*([A-Za-z]+)\s*[=:]\s*(\S+)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) found.set(key, value);
  }
  return found;
}

// An inventory as an SPDX 2.3 document in JSON (spdx.github.io/spdx-spec/v2.3). The same
// inventory gives the same document.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath } from "../../core/bytes/byte-path.ts";
import { formatTime } from "../../core/clock.ts";
import { digestOf, hexOf } from "../../core/digest.ts";
import type { Digest } from "../../core/digest.ts";
import { VERSION } from "../../core/version.ts";
import { canonicalJson } from "../../graph/vertex.ts";
import type { JsonObject } from "../../image/json.ts";
import { omitEmpty } from "../../image/json.ts";
import { spdxExpression } from "./license.ts";
import type { Evidence, Inventory } from "./scan.ts";
import type { Software, SystemRelease } from "./software.ts";

/** The type of the predicate. */
export const SPDX_PREDICATE = "https://spdx.dev/Document";

export interface SpdxOptions {
  /** What was scanned: an image's name, a stage's. */
  readonly name: string;
  /** ms since the epoch. */
  readonly createdMs: number;
  /** The layer that holds a file, in an image. */
  readonly layerOf: (path: BytePath) => Digest | undefined;
}

const DOCUMENT = "SPDXRef-DOCUMENT";
const ROOT = "SPDXRef-DocumentRoot";
const UNKNOWN = "NOASSERTION";

/** The document. */
export function spdxDocument(inventory: Inventory, { name, createdMs, layerOf }: SpdxOptions): JsonObject {
  const { software, system, evidence, notes } = inventory;
  const packages = [
    rootPackage(name),
    ...(system === undefined ? [] : [systemPackage(system)]),
    ...software.map(packageOf),
  ];
  const content = {
    packages,
    files: evidence.map((file) => fileOf(file, layerOf(file.path))),
    relationships: relationshipsOf(inventory),
  };
  const created = formatTime(createdMs - (createdMs % 1000)); // whole seconds: clause 6.9
  const unique = hexOf(digestOf(canonicalJson({ name, created, content })));
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: DOCUMENT,
    name,
    documentNamespace: `https://spdx.org/spdxdocs/tsbuild/${uuidOf(unique)}`,
    creationInfo: {
      creators: [`Tool: tsbuild-${VERSION}`],
      created,
      ...omitEmpty({ comment: notes.length === 0 ? "" : `Not read: ${notes.join("; ")}` }),
    },
    ...content,
  };
}

function rootPackage(name: string): JsonObject {
  return {
    name,
    SPDXID: ROOT,
    downloadLocation: UNKNOWN,
    filesAnalyzed: false,
    licenseConcluded: UNKNOWN,
    licenseDeclared: UNKNOWN,
    copyrightText: UNKNOWN,
    primaryPackagePurpose: "CONTAINER",
  };
}

function systemPackage({ id, version, prettyName }: SystemRelease): JsonObject {
  return {
    name: id,
    SPDXID: "SPDXRef-OperatingSystem",
    ...omitEmpty({ versionInfo: version }),
    downloadLocation: UNKNOWN,
    filesAnalyzed: false,
    licenseConcluded: UNKNOWN,
    licenseDeclared: UNKNOWN,
    copyrightText: UNKNOWN,
    description: prettyName,
    primaryPackagePurpose: "OPERATING_SYSTEM",
  };
}

function packageOf(software: Software): JsonObject {
  const { name, version, purl, from, evidence, license, maintainer, homepage, description } = software;
  const expression = license === undefined ? undefined : spdxExpression(license);
  const isOther = license !== undefined && license.trim() !== "" && expression === undefined;
  return {
    name,
    SPDXID: packageId(software),
    ...omitEmpty({ versionInfo: version }),
    ...omitEmpty({ originator: maintainer === undefined ? undefined : actor(maintainer) }),
    downloadLocation: UNKNOWN,
    filesAnalyzed: false,
    ...omitEmpty({ homepage: homepage !== undefined && URL.canParse(homepage) ? homepage : undefined }),
    sourceInfo: `acquired from ${from}: ${evidence.map((path) => `/${displayPath(path)}`).join(", ")}`,
    licenseConcluded: UNKNOWN,
    licenseDeclared: expression ?? UNKNOWN,
    ...omitEmpty({ licenseComments: isOther ? `declared as: ${license.trim().slice(0, 500)}` : "" }),
    copyrightText: UNKNOWN,
    ...omitEmpty({ description: description?.trim() }),
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
}

/** `Name <mail>` as SPDX writes who somebody is; whether it is a person or an organization, data of packages does not say. */
function actor(maintainer: string): string {
  const [, who = "", mail = ""] = /^([^<]*?)\s*(?:<([^>]*)>)?$/.exec(maintainer.replaceAll(/\s+/g, " ").trim()) ?? [];
  if (who === "" && mail === "") return UNKNOWN;
  const kind = mail === "" ? "Organization" : "Person";
  return `${kind}: ${who === "" ? mail : who}${mail === "" || who === "" ? "" : ` (${mail})`}`;
}

function fileOf({ path, sha1, sha256 }: Evidence, layer: Digest | undefined): JsonObject {
  return {
    fileName: `/${displayPath(path)}`,
    SPDXID: fileId(path),
    checksums: [
      { algorithm: "SHA1", checksumValue: sha1 },
      { algorithm: "SHA256", checksumValue: sha256 },
    ],
    licenseConcluded: UNKNOWN,
    copyrightText: UNKNOWN,
    ...omitEmpty({ comment: layer === undefined ? "" : `layerID: ${layer}` }),
  };
}

function relationshipsOf({ software, system }: Inventory): readonly JsonObject[] {
  const relate = (from: string, relationshipType: string, to: string, comment = ""): JsonObject => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
    ...omitEmpty({ comment }),
  });
  return [
    relate(DOCUMENT, "DESCRIBES", ROOT),
    ...(system === undefined ? [] : [relate(ROOT, "CONTAINS", "SPDXRef-OperatingSystem")]),
    ...software.flatMap((each) => [
      relate(ROOT, "CONTAINS", packageId(each)),
      ...each.evidence.map((path) =>
        relate(packageId(each), "OTHER", fileId(path), "evident-by: the file names the package"),
      ),
    ]),
  ];
}

/** Letters, digits, dots and hyphens; the hash keeps them apart. */
function packageId({ name, purl }: Software): string {
  return `SPDXRef-Package-${name.replaceAll(/[^A-Za-z0-9.]+/g, "-")}-${hexOf(digestOf(purl)).slice(0, 16)}`;
}

function fileId(path: BytePath): string {
  return `SPDXRef-File-${hexOf(digestOf(path)).slice(0, 16)}`;
}

/** Version 8 of RFC 9562: made from a hash. */
function uuidOf(hex: string): string {
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

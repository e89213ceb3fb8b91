// Package URLs: how provenance and SBOM name things (package-url/purl-spec).

import type { Platform } from "./image/platform.ts";
import { formatPlatform } from "./image/platform.ts";
import { familiarReference, parseReference } from "./image/reference.ts";

/** The parts of a package URL, unescaped. */
export interface PackageUrl {
  /** "deb", "npm", "docker". */
  readonly type: string;
  /** With slashes between its segments. */
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly version?: string | undefined;
  readonly qualifiers?: Readonly<Record<string, string | undefined>>;
}

/** Writes a package URL; qualifiers are sorted, and those that are empty left out. `escapeName`: for the segments of the name. */
export function formatPackageUrl(url: PackageUrl, escapeName = escape): string {
  const { type, namespace = "", name, version = "", qualifiers = {} } = url;
  const path = [...namespace.split("/").filter((segment) => segment !== ""), name].map(escapeName).join("/");
  const fields = Object.entries(qualifiers)
    .filter(([, value]) => value !== undefined && value !== "")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value = ""]) => `${key}=${escape(value)}`);
  const query = fields.length === 0 ? "" : `?${fields.join("&")}`;
  return `pkg:${type}/${path}${version === "" ? "" : `@${escape(version)}`}${query}`;
}

/** The package URL of an image name: `pkg:docker/busybox@latest?platform=linux%2Famd64`. Names without a registry, as layouts have them, are "oci". */
export function imagePackageUrl(name: string, platform: Platform, type: "docker" | "oci" = "docker"): string {
  const { digest, ...reference } = parseReference(name);
  const path = familiarReference({ ...reference, tag: "" }).replace(/:$/, "");
  const slash = path.lastIndexOf("/");
  const url = {
    type,
    namespace: path.slice(0, Math.max(0, slash)),
    name: path.slice(slash + 1),
    version: reference.tag,
    qualifiers: { digest, platform: formatPlatform(platform) },
  };
  // The colon before a port is escaped: BuildKit writes it so, and materials are compared as texts.
  return formatPackageUrl(url, (segment) => escape(segment).replaceAll(":", "%3A"));
}

/** Letters, digits and `.-_~:` stay. */
function escape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
}

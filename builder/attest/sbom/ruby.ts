// Ruby's packages: the specifications of installed gems, and what a Gemfile.lock names.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";

const INSTALLED = /(?:^|\/)specifications\/(?:default\/)?[^/]+\.gemspec$/;
const LOCK = /(?:^|\/)(?:Gemfile|gems)\.lock(?:ed)?$/;

export const ruby: Cataloger = {
  wants: (path: BytePath) => INSTALLED.test(path) || LOCK.test(path),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) =>
      INSTALLED.test(path) ? installed(files.text(path), path) : locked(files.text(path), path),
    ),
};

/** RubyGems writes these itself, a field a line: `s.name = "rake".freeze`. */
function installed(text: string, path: BytePath): Software[] {
  const field = (name: string): string => new RegExp(`^ *s\\.${name} = "([^"\\n]*)"`, "m").exec(text)?.[1] ?? "";
  const [name, version, platform] = [field("name"), field("version"), field("platform")];
  if (name === "" || version === "") return [];
  const [, licenses = ""] = /^ *s\.licenses = \[([^\]\n]*)\]/m.exec(text) ?? [];
  return [
    {
      ...gem(name, version, platform, "a gem's specification", path),
      license: [...licenses.matchAll(/"([^"]+)"/g)].map(([, license]) => license).join(" OR ") || undefined,
      homepage: field("homepage") || undefined,
      description: field("summary") || undefined,
    },
  ];
}

/** Sections begin at the margin; only GEM's come from a registry. Four spaces: a gem, six: what it asks for. */
function locked(text: string, path: BytePath): Software[] {
  const found: Software[] = [];
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    if (/^\S/.test(line)) section = line.trim();
    const [, name = "", version = "", platform = ""] = /^ {4}(\S+) \(([^\s()-]+)(?:-([^\s()]+))?\)$/.exec(line) ?? [];
    if (section === "GEM" && name !== "") found.push(gem(name, version, platform, "Gemfile.lock", path));
  }
  return found;
}

function gem(name: string, version: string, platform: string, from: string, path: BytePath): Software {
  const qualifiers = { platform: platform === "ruby" ? undefined : platform };
  const purl = formatPackageUrl({ type: "gem", name, version, qualifiers });
  return { name, version, purl, from, evidence: [path] };
}

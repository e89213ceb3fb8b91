// What configuration says of registries, as plain data. Every family of files is read into this one form; which of
// several settings counts is decided here and nowhere else.

/** The families of files, in the order in which they are asked when two say something about the same name. */
const FAMILIES = [
  "flag",
  "registries.conf",
  "hosts.toml",
  "buildkitd.toml",
  "daemon.json",
  "certs.d",
  "config.json",
] as const;
const OWNERS = ["flag", "user", "system"] as const;

/** Where a setting stands. */
export interface SettingSource {
  readonly family: (typeof FAMILIES)[number];
  readonly owner: (typeof OWNERS)[number];
  /** The path, or the flag. */
  readonly file: string;
  /** The key as one would look for it: `[registry."docker.io"] mirrors`; "" when the file itself is the setting. */
  readonly key: string;
}

/** A registry's host, or a part of it: "docker.io", "library/busybox". */
export interface Name {
  /** Host and port. */
  readonly host: string;
  /** Path below it; "" for all of it. */
  readonly path: string;
  /** Its tag and its digest, ":1" and "@sha256:…", where one image is meant. */
  readonly images?: readonly string[];
}

/** The names that a setting is about. */
export type Scope =
  | ({ readonly kind: "name"; /** Only the image of this tag or digest. */ readonly image?: string } & Name)
  /** "*.example.com"; with a port or for all of them. */
  | { readonly kind: "subdomains"; readonly domain: string }
  /** An address range, "10.0.0.0/8", or every registry. */
  | { readonly kind: "network"; readonly range: string }
  | { readonly kind: "any" };

/**
 * How a host is spoken to. `either`: https without a look at the certificate, else plain http (docker's insecure
 * registries); `unchecked`: https without that look.
 */
export type Protocol = "https" | "http" | "unchecked" | "either";

/** A certificate to show, and its key: paths of PEM files. */
export interface ClientPair {
  readonly certificate: string;
  readonly key: string;
}

/** How to reach a host; what is undefined is not said here. */
export interface Reach {
  readonly protocol?: Protocol | undefined;
  /** Paths of PEM files, added to the system's authorities. */
  readonly ca?: readonly string[] | undefined;
  readonly client?: ClientPair | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A place that has the content of a name: a mirror, or where a registry really is. */
export interface Place extends Name {
  /** Where only one will do; undefined: as the host's own settings say. */
  readonly scheme?: "http" | "https" | undefined;
  /** Path before /v2/; "" for none. */
  readonly base: string;
  /** Where requests go below the base; "/v2" if not said. */
  readonly api?: string;
  readonly reach: Reach;
  readonly serves: "all" | "digests" | "tags" | "nothing";
  /** The registry's name is sent along as `?ns=`, as containerd does to mirrors. */
  readonly sendsNamespace: boolean;
}

/** One setting of one file. */
export interface RegistrySetting {
  readonly source: SettingSource;
  readonly scope: Scope;
  readonly blocked?: boolean;
  /** Places asked before the registry itself. Undefined: nothing is said of them. */
  readonly mirrors?: readonly Place[] | undefined;
  /** Where the registry really is. */
  readonly home?: Place | undefined;
  /** What the registry itself may be asked for, when it is not moved. */
  readonly serves?: Place["serves"];
  /** Of the names in scope, wherever they are reached. */
  readonly reach: Reach;
  /** A part of the setting that cannot be obeyed: the names it is about cannot be used. */
  readonly unusable?: string;
}

/** The names of Docker Hub; its settings may stand under any of them. */
const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** Docker Hub's other names are "docker.io"; hosts are lower case. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return HUB.includes(lower) ? "docker.io" : lower;
}

/** "host:5000/a/b" in its parts. */
export function splitName(text: string): Name {
  const slash = text.indexOf("/");
  if (slash < 0) return { host: canonicalHost(text), path: "" };
  return { host: canonicalHost(text.slice(0, slash)), path: text.slice(slash + 1).replace(/\/+$/, "") };
}

/** "host:5000/a/b". */
export function joinName({ host, path }: Name): string {
  return path === "" ? host : `${host}/${path}`;
}

/** A setting's place for people. */
export function describeSource({ file, key }: SettingSource): string {
  return key === "" ? file : `${file}, ${key}`;
}

/**
 * The settings about a name, the one that counts most first: flags, then the longer name before the shorter one, then
 * the user's before the system's, then by family, then as they stand. Of registries.conf only the longest prefix takes
 * part, as containers-registries.conf(5) has it.
 */
export function settingsFor(name: Name, settings: readonly RegistrySetting[]): readonly RegistrySetting[] {
  const sorted = settings
    .flatMap((setting) => {
      const length = matchLength(setting.scope, name);
      return length === undefined ? [] : [{ setting, length }];
    })
    .toSorted((a, b) => compare(a, b));
  const prefix = sorted.find(({ setting }) => setting.source.family === "registries.conf");
  return sorted
    .filter((one) => one.setting.source.family !== "registries.conf" || one === prefix)
    .map(({ setting }) => setting);
}

interface Match {
  readonly setting: RegistrySetting;
  readonly length: number;
}

function compare(a: Match, b: Match): number {
  const flag = ({ setting }: Match): number => (setting.source.owner === "flag" ? 0 : 1);
  const owner = ({ setting }: Match): number => OWNERS.indexOf(setting.source.owner);
  const family = ({ setting }: Match): number => FAMILIES.indexOf(setting.source.family);
  return flag(a) - flag(b) || b.length - a.length || owner(a) - owner(b) || family(a) - family(b);
}

/** How much of a name a scope names: the longer, the closer. Undefined when it is about other names. */
function matchLength(scope: Scope, { host, path, images = [] }: Name): number | undefined {
  switch (scope.kind) {
    case "name": {
      const isAbout = host === scope.host && (scope.path === "" || `${path}/`.startsWith(`${scope.path}/`));
      if (scope.image === undefined) return isAbout ? 1000 + scope.path.length : undefined;
      const isThatImage = isAbout && path === scope.path && images.includes(scope.image);
      return isThatImage ? 1000 + scope.path.length + scope.image.length : undefined;
    }
    case "subdomains": {
      const compared = scope.domain.includes(":") ? host : host.replace(/:\d+$/, "");
      return compared.endsWith(`.${scope.domain}`) ? scope.domain.length : undefined;
    }
    case "network":
    case "any":
      return 0;
  }
}

// Platforms: os/architecture[/variant], normalised as containerd does.

import { BuildError } from "../errors.ts";

/** One platform, normalised: "amd64" not "x86_64", arm64 without "v8", arm with a variant. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

/** Reads `linux/arm64`, `arm/v7`, `local`, `linux`, `windows(10.0.17763)/amd64`. Throws `USAGE`. */
export function parsePlatform(text: string, local: Platform = hostPlatform()): Platform {
  const [, os, osVersion, rest = ""] = /^([^(/]+)\(([\w.-]+)\)(\/.*)?$/.exec(text.trim()) ?? [];
  if (os !== undefined && osVersion !== undefined) return { ...parsePlatform(`${os}${rest}`, local), osVersion };
  const parts = text.trim().toLowerCase().split("/");
  if (text.trim() === "" || parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw new BuildError("USAGE", `"${text}" is not a platform`, {
      hint: "write os/arch or os/arch/variant, as linux/arm64",
    });
  }
  const [first = "", second, third] = parts;
  if (parts.length === 1) {
    if (first === "local") return local;
    if (KNOWN_OS.has(first)) return { ...local, os: first };
    if (!isKnownArchitecture(first)) {
      throw new BuildError("USAGE", `"${text}" is neither an operating system nor an architecture`, {
        hint: "write os/arch, as linux/arm64",
      });
    }
    return normalizePlatform({ os: local.os, architecture: first });
  }
  if (parts.length === 2 && !KNOWN_OS.has(first) && isKnownArchitecture(first)) {
    return normalizePlatform({ os: local.os, architecture: first, variant: second ?? "" });
  }
  return normalizePlatform({ os: first, architecture: second ?? "", variant: third ?? "" });
}

/** `os/arch` or `os/arch/variant`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
}

/** Old and foreign names of architectures to Go's, with the default variants (containerd, platforms/database.go). */
export function normalizePlatform(raw: {
  os: string;
  architecture: string;
  variant?: string;
  osVersion?: string;
}): Platform {
  const os = raw.os.toLowerCase() === "macos" ? "darwin" : raw.os.toLowerCase();
  let architecture = raw.architecture.toLowerCase();
  let variant = (raw.variant ?? "").toLowerCase();
  switch (architecture) {
    case "i386":
      architecture = "386";
      variant = "";
      break;
    case "x86_64":
    case "x86-64":
    case "amd64":
      architecture = "amd64";
      if (variant === "v1") variant = "";
      break;
    case "aarch64":
    case "arm64":
      architecture = "arm64";
      if (variant === "8" || variant === "v8") variant = "";
      break;
    case "armhf":
      architecture = "arm";
      variant = "v7";
      break;
    case "armel":
      architecture = "arm";
      variant = "v6";
      break;
    case "arm":
      if (variant === "" || variant === "7") variant = "v7";
      else if (/^[5-8]$/.test(variant)) variant = `v${variant}`;
      break;
  }
  return {
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(raw.osVersion ? { osVersion: raw.osVersion } : {}),
  };
}

/** The platform of this process. */
export function hostPlatform(): Platform {
  const names: Record<string, string> = {
    x64: "amd64",
    arm64: "arm64",
    arm: "arm",
    ia32: "386",
    ppc64: "ppc64le",
    s390x: "s390x",
    riscv64: "riscv64",
    loong64: "loong64",
  };
  return normalizePlatform({ os: "linux", architecture: names[process.arch] ?? process.arch });
}

/** How well an image for `candidate` runs where `wanted` is asked: 0 not at all, more is better (arm v7 runs v6). */
export function platformRank(wanted: Platform, candidate: Platform): number {
  if (wanted.os !== candidate.os || !isSameBuild(wanted, candidate)) return 0;
  const order = runnable(wanted);
  const place = order.indexOf(nameOf(candidate));
  return place < 0 ? 0 : 1 + (order.length - place) / order.length;
}

/** Architectures with their variants that run where one is asked, the best first (containerd/platforms 1.0, platformVector). */
function runnable(wanted: Platform): readonly string[] {
  const own = nameOf(wanted);
  const [major, minor] = variantOf(wanted);
  switch (wanted.architecture) {
    case "amd64":
      return [own, ...downTo(1, major - 1).map((level) => (level === 1 ? "amd64" : `amd64/v${level}`)), "386"];
    case "arm":
      return [own, ...downTo(5, major - 1).map((version) => `arm/v${version}`)];
    case "arm64":
      return [...new Set([own, ...arm64Below(major, minor), ...downTo(5, 8).map((version) => `arm/v${version}`)])];
    default:
      return [own];
  }
}

// v9.0 went its own way from v8.5 on: v9.x runs what is for v8.(x+5).
function arm64Below(major: number, minor: number): readonly string[] {
  const name = (of: number, part: number): string =>
    nameOf({ os: "", architecture: "arm64", variant: `v${of}.${part}` });
  const newest = major === 9 ? minor + 5 : minor;
  const nines = major === 9 ? downTo(0, minor).map((part) => name(9, part)) : [];
  return major === 8 || major === 9 ? [...nines, ...downTo(0, newest).map((part) => name(8, part))] : [];
}

/** "arm64/v8.1"; what an architecture has anyway (arm64's v8 and v8.0, amd64's v1) is left out. */
function nameOf(platform: Platform): string {
  const { architecture, variant = "" } = normalizePlatform(platform);
  const short = architecture === "arm64" ? variant.replace(/^(v\d+)\.0$/, "$1").replace(/^v8$/, "") : variant;
  return short === "" ? architecture : `${architecture}/${short}`;
}

function variantOf({ architecture, variant = "" }: Platform): readonly [major: number, minor: number] {
  const defaults: Record<string, number> = { amd64: 1, arm64: 8, arm: 7 };
  const [, major, minor = "0"] = /^v(\d+)(?:\.(\d+))?$/.exec(variant) ?? [];
  return major === undefined ? [defaults[architecture] ?? 0, 0] : [Number(major), Number(minor)];
}

/** `to`, …, `from`; nothing when `to` is the smaller. */
function downTo(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.min(64, Math.max(0, to - from + 1)) }, (_, place) => to - place);
}

/** Windows runs images of its own build only: the first three parts of a version. Where one side names none, any will do. */
function isSameBuild(wanted: Platform, candidate: Platform): boolean {
  if (wanted.os !== "windows" || !wanted.osVersion || !candidate.osVersion) return true;
  const build = (version: string): string => version.split(".").slice(0, 3).join(".");
  return build(wanted.osVersion) === build(candidate.osVersion);
}

const KNOWN_OS = new Set([
  "aix",
  "android",
  "darwin",
  "dragonfly",
  "freebsd",
  "illumos",
  "ios",
  "js",
  "linux",
  "netbsd",
  "openbsd",
  "plan9",
  "solaris",
  "windows",
  "zos",
  "macos",
]);

const KNOWN_ARCHITECTURES = new Set([
  "386",
  "amd64",
  "amd64p32",
  "arm",
  "armbe",
  "arm64",
  "arm64be",
  "loong64",
  "mips",
  "mipsle",
  "mips64",
  "mips64le",
  "ppc",
  "ppc64",
  "ppc64le",
  "riscv",
  "riscv64",
  "s390",
  "s390x",
  "sparc",
  "sparc64",
  "wasm",
  "i386",
  "x86_64",
  "x86-64",
  "aarch64",
  "armhf",
  "armel",
]);

function isKnownArchitecture(text: string): boolean {
  return KNOWN_ARCHITECTURES.has(text);
}

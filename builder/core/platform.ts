// Platforms: os/architecture[/variant], normalised as containerd does.

import { BuildError } from "./errors.ts";

/** One platform, normalised: "amd64" not "x86_64", arm64 without "v8", arm with a variant. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

/** Reads `linux/arm64`, `arm/v7`, `local`, `linux`. Throws `USAGE`. */
export function parsePlatform(text: string, local: Platform = hostPlatform()): Platform {
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
  if (wanted.os !== candidate.os) return 0;
  if (wanted.architecture === candidate.architecture) {
    if ((wanted.variant ?? "") === (candidate.variant ?? "")) return 100;
    const want = variantNumber(wanted);
    const have = variantNumber(candidate);
    return have <= want ? 50 + have : 0;
  }
  if (wanted.architecture === "amd64" && candidate.architecture === "386") return 2;
  if (wanted.architecture === "arm64" && candidate.architecture === "arm") return 1 + variantNumber(candidate) / 10;
  return 0;
}

function variantNumber(platform: Platform): number {
  const defaults: Record<string, number> = { amd64: 1, arm64: 8, arm: 7 };
  const digits = /^v(\d+)/.exec(platform.variant ?? "")?.[1];
  return digits === undefined ? (defaults[platform.architecture] ?? 0) : Number(digits);
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

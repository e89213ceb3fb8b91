// ARGs that have a value without being given one.

import type { Platform } from "../../../core/image/platform.ts";
import { formatPlatform } from "../../../core/image/platform.ts";
import type { Variables } from "./env.ts";

/** The automatic ARGs of the global scope. A build arg of the same name takes their place. */
export function platformArgs(build: Platform, target: Platform, targetStage: string, buildArgs: Variables): Variables {
  const automatic: readonly (readonly [string, string])[] = [
    ["BUILDPLATFORM", formatPlatform(build)],
    ["BUILDOS", build.os],
    ["BUILDOSVERSION", build.osVersion ?? ""],
    ["BUILDARCH", build.architecture],
    ["BUILDVARIANT", build.variant ?? ""],
    ["TARGETPLATFORM", formatFullPlatform(target)],
    ["TARGETOS", target.os],
    ["TARGETOSVERSION", target.osVersion ?? ""],
    ["TARGETARCH", target.architecture],
    ["TARGETVARIANT", target.variant ?? ""],
    ["TARGETSTAGE", targetStage === "" ? "default" : targetStage],
  ];
  return new Map(automatic.map(([name, value]) => [name, buildArgs.get(name) ?? value]));
}

/** As people see a platform, with the version of the operating system: "windows(10.0.17763)/amd64". */
export function formatFullPlatform(platform: Platform): string {
  const { os, osVersion } = platform;
  const text = formatPlatform(platform);
  return osVersion ? `${os}(${osVersion})${text.slice(os.length)}` : text;
}

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/**
 * Variables of proxies that build args give to every RUN without a declaration, in both
 * spellings. They are no part of a step's identity.
 */
export function proxyEnv(buildArgs: Variables): string[] {
  const values = new Map<string, string>();
  for (const name of [...buildArgs.keys()].sort()) {
    const upper = name.toUpperCase();
    if (PROXIES.includes(upper)) values.set(upper, buildArgs.get(name) ?? "");
  }
  return PROXIES.flatMap((name) => {
    const value = values.get(name);
    return value ? [`${name}=${value}`, `${name.toLowerCase()}=${value}`] : [];
  });
}

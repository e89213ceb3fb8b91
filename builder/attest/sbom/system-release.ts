// /etc/os-release: which system a rootfs is (os-release(5)).

import type { SystemRelease } from "./software.ts";

/** Where it may lie, the first that is there counts. */
export const RELEASE_FILES = ["etc/os-release", "usr/lib/os-release"];

/** Reads it; undefined when it names no system. */
export function parseSystemRelease(text: string): SystemRelease | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] = /^([A-Z_0-9]+)=(.*)$/.exec(line.trim()) ?? [];
    if (key !== "") fields.set(key, unquote(value));
  }
  const id = fields.get("ID") ?? "";
  if (id === "") return undefined;
  return { id, version: fields.get("VERSION_ID") || undefined, prettyName: fields.get("PRETTY_NAME") || id };
}

function unquote(value: string): string {
  const [, , quoted] = /^(["'])(.*)\1$/.exec(value) ?? [];
  return (quoted ?? value).replaceAll(/\\(["'$`\\])/g, "$1");
}

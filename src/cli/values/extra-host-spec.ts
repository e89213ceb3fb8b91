// `--add-host name:ip`, `name=ip`, `name=[v6]`, `name=host-gateway`.

import { isIP } from "node:net";
import { BuildError } from "../../../builder/core/errors.ts";

export interface ExtraHostSpec {
  readonly host: string;
  /** An address, or "host-gateway" as written: the engine knows which address that is. */
  readonly ip: string;
}

/** Reads one value, which may hold several, comma-separated. Throws `USAGE`. */
export function parseExtraHosts(text: string): ExtraHostSpec[] {
  return text.split(",").map((entry) => {
    // "=" wins, so that "name=::1" is read right; with ":" the first one separates (docker/cli, opts/hosts.go).
    const separator = entry.includes("=") ? entry.indexOf("=") : entry.indexOf(":");
    const host = entry.slice(0, Math.max(0, separator));
    const raw = entry.slice(separator + 1);
    if (separator <= 0 || raw === "") {
      throw new BuildError("USAGE", `bad format for add-host: "${entry}"`, { hint: "write name:ip" });
    }
    if (raw === "host-gateway") return { host, ip: raw };
    const ip = raw.startsWith("[") && raw.endsWith("]") ? raw.slice(1, -1) : raw;
    if (isIP(ip) === 0) throw new BuildError("USAGE", `invalid IP address in add-host: "${raw}"`);
    return { host, ip };
  });
}

// `--ulimit nofile=1024:2048`.

import { BuildError } from "../../../builder/core/errors.ts";

/** As the request has it; -1 is unlimited. */
export interface UlimitSpec {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

// setrlimit(2), by docker's names (docker/go-units, ulimit.go).
// prettier-ignore
const NAMES = new Set([
  "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
  "sigpending", "stack",
]);

/** Reads one ulimit. Throws `USAGE`. */
export function parseUlimit(text: string): UlimitSpec {
  const match = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null) {
    throw new BuildError("USAGE", `invalid ulimit argument: "${text}"`, {
      hint: "write type=soft[:hard], as nofile=1024:2048",
    });
  }
  const name = match[1] ?? "";
  if (!NAMES.has(name)) throw new BuildError("USAGE", `invalid ulimit type: "${name}"`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (soft < -1 || hard < -1) throw new BuildError("USAGE", `ulimit "${text}": -1 is unlimited, less is nothing`);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new BuildError("USAGE", `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { name, soft, hard };
}

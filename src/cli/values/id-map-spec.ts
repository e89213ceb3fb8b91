// `--uid-map 0:100000:65536`.

import { BuildError } from "../../../builder/core/errors.ts";

/** As the request has it: ids of the container from `containerId` on are those of this machine from `hostId` on. */
export interface IdRangeSpec {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** `--uid-map`, `--gid-map`: id in the container, id on this machine, how many. Throws `USAGE`. */
export function parseIdRange(text: string, flag: string): IdRangeSpec {
  const match = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text);
  const [containerId = 0, hostId = 0, size = 0] = match?.slice(1).map(Number) ?? [];
  const last = 2 ** 32 - 1;
  if (match === null || size === 0 || containerId + size > last || hostId + size > last) {
    throw new BuildError("USAGE", `${flag}: "${text}" is not a range of ids`, {
      hint: "write ID:HOST:COUNT, as 0:100000:65536",
    });
  }
  return { containerId, hostId, size };
}

// A folder for what is large and short-lived: layers that are made anew, archives that are
// unpacked. One a user, below TMPDIR or /var/tmp (which is on a disk where /tmp may be
// memory); files in it bear their owner's name, so what a killed process left goes with
// the next one.

import { readFileSync } from "node:fs";
import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hostIdOf, parseIdMap } from "../bundle/id-map.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { sweepTemporary } from "../store/temporary.ts";

/** Makes and sweeps the folder; its absolute path. Throws `OUTPUT` when it cannot be had, or is somebody else's. */
export async function temporaryFolder(environment: ReadonlyMap<string, string>): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  // In a user namespace everybody is 0.
  const machineUid = hostIdOf(parseIdMap(readFileSync("/proc/self/uid_map", "utf8")), uid) ?? uid;
  const path = join(environment.get("TMPDIR") || "/var/tmp", `tsbuild-${machineUid}`);
  try {
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (!isErrno(error, "EEXIST")) throw error;
    });
    const found = await lstat(path);
    if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0) {
      throw new BuildError("OUTPUT", `"${path}" is not a folder of yours alone`, {
        hint: "remove it, or set TMPDIR to another place",
      });
    }
    sweepTemporary(path);
    return path;
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError("OUTPUT", `cannot make the temporary folder "${path}": ${String(error)}`, {
      cause: error,
      hint: "set TMPDIR to a folder that can be written",
    });
  }
}

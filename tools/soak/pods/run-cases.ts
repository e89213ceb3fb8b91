// The conformance cases, built inside a pod.

import path from "node:path";
import type { Pod, PodEnded, PodLevel } from "../../../test/support/pod.ts";

const CASES = path.join(import.meta.dirname, "conformance.test.ts");

/** Runs the cases of a glob, all of them without one; the exit code is 0 when each is as it must be on the level. */
export async function runCases(pod: Pod, level: PodLevel, cases?: string): Promise<PodEnded> {
  const env = [`POD_LEVEL=${level}`, ...(cases === undefined ? [] : [`CASES=${cases}`])];
  const node = [process.execPath, "--test", "--test-isolation=none", "--test-reporter=dot"];
  return await pod.run("/usr/bin/env", ...env, ...node, CASES);
}

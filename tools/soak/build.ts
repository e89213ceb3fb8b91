// One build as a process, which may be killed after a while.

import { spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");

export interface BuildRun {
  readonly storeRoot: string;
  readonly context: string;
  readonly args: readonly string[];
  readonly home: string;
  /** SIGKILL after so long; a build that is faster ends by itself. */
  readonly killAfterMs?: number;
}

export interface BuildEnd {
  readonly code: number;
  readonly killed: boolean;
  readonly digest: string | undefined;
  readonly stderr: string;
}

/** Runs `tsbuild build` to its end. */
export async function runBuild(run: BuildRun): Promise<BuildEnd> {
  const args = [TSBUILD, "--root", run.storeRoot, "build", "--progress", "plain", ...run.args, run.context];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env["PATH"] ?? "", HOME: run.home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const timer = run.killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), run.killAfterMs);
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({
        code: code ?? -1,
        killed: signal === "SIGKILL",
        digest: /^digest\s+(\S+)$/m.exec(stdout)?.[1],
        stderr,
      });
    });
  });
}

// One build as a process, which may be killed after a while.

import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");

export interface BuildRun {
  readonly storeRoot: string;
  readonly context: string;
  readonly args: readonly string[];
  readonly home: string;
  /** What the store may take, as TSBUILD_MAX_USED_SPACE has it. */
  readonly ceiling?: string;
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
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: run.home,
      ...(run.ceiling === undefined ? {} : { TSBUILD_MAX_USED_SPACE: run.ceiling }),
    },
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

/** Another command of the program on the store; its exit code and what it said. */
export function runCommand(
  storeRoot: string,
  home: string,
  ...args: readonly string[]
): { code: number; text: string } {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home };
  const words = [TSBUILD, "--root", storeRoot, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  return { code: status ?? -1, text: `${stdout}${stderr}` };
}

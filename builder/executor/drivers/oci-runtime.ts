// What crun and runc share: a bundle with config.json in the step's scratch directory, run inside
// the prelude's namespaces, and the runtime's own log to tell its errors from the program's.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownCapabilities } from "../own-capabilities.ts";
import { BuildError } from "../../core/errors.ts";
import type { DriverName, Executor, StepSpec } from "../executor.ts";
import { refuseCgroupParent } from "../cgroup.ts";
import { readHostFacts } from "../host-facts.ts";
import { writeHostFiles } from "../host-files.ts";
import { runtimeSpec } from "../runtime-spec.ts";
import { INSECURE_DEVICES } from "../sandbox-policy.ts";
import type { PreludeStep } from "./prelude.ts";
import { terminalSize, wantsTerminal } from "../terminal.ts";
import { planPrelude, preludeCommand, runCommand } from "./prelude.ts";
import { throwIfAborted } from "../launcher/step-result.ts";

export interface RuntimeDriver {
  readonly driver: Extract<DriverName, "crun" | "runc">;
  readonly program: string;
  readonly notes: readonly string[];
  /** Mounts that the runtime needs around it. */
  readonly extraMounts: readonly PreludeStep[];
  /** Options before `run`. */
  readonly options: readonly string[];
}

/** What both lack. */
export const RUNTIME_NOTES: readonly string[] = [
  "a part of another stage whose path goes through a link is not mounted",
];

/** The executor over an OCI runtime. */
export function runtimeExecutor(runtime: RuntimeDriver): Executor {
  const host = readHostFacts();
  return {
    driver: runtime.driver,
    notes: runtime.notes,
    async run(step, signal) {
      throwIfAborted(signal);
      refuseCgroupParent(step, runtime.driver);
      const plan = planPrelude(step, host);
      const config = runtimeSpec({
        step,
        host,
        files: writeHostFiles(step),
        rootPath: plan.rootPath,
        mounts: plan.mounts,
        terminal: wantsTerminal(step) ? terminalSize() : undefined,
        permitted: ownCapabilities().permitted,
        existingDevices: INSECURE_DEVICES.filter((name) => existsSync(`/dev/${name}`)),
      });
      writeFileSync(join(step.scratch, "config.json"), JSON.stringify(config), { mode: 0o600 });
      const state = join(step.scratch, "state");
      const log = join(step.scratch, "runtime.log");
      mkdirSync(state, { recursive: true });
      const command = [
        runtime.program,
        "--root",
        state,
        "--log",
        log,
        "--log-format",
        "json",
        ...runtime.options,
        "run",
        "--bundle",
        step.scratch,
        step.id,
      ];
      try {
        const result = await runCommand(
          preludeCommand([...plan.prelude, ...runtime.extraMounts], command),
          step,
          2,
          signal,
        );
        if (result.exitCode !== 0) throwRuntimeError(runtime.driver, step, log);
        return result;
      } finally {
        await plan.tidy();
      }
    },
  };
}

/** An entry of level "error" in the runtime's log means that the program was never run. */
function throwRuntimeError(driver: string, step: StepSpec, log: string): void {
  const text = existsSync(log) ? readFileSync(log, "utf8") : "";
  const messages = text.split("\n").flatMap((line) => errorMessage(line));
  const message = messages[0];
  if (message === undefined) return;
  const program = step.process.args[0] ?? "";
  if (/executable file|no such file or directory|exec.*not found/i.test(message) && message.includes(program)) {
    const reason = program.includes("/")
      ? `stat ${program}: no such file or directory`
      : "executable file not found in $PATH";
    throw new BuildError("RUN_FAILED", `exec: "${program}": ${reason}`, { exitCode: 127 });
  }
  if (/exec.*permission denied|permission denied.*exec|exec format error|is a directory/i.test(message)) {
    const reason = /exec format error|is a directory/i.exec(message)?.[0] ?? "permission denied";
    throw new BuildError("RUN_FAILED", `exec: "${program}": ${reason.toLowerCase()}`, { exitCode: 126 });
  }
  throw new BuildError("SANDBOX", `${driver}: ${message}`);
}

function errorMessage(line: string): string[] {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("msg" in entry) || typeof entry.msg !== "string") return [];
    return "level" in entry && entry.level !== "error" ? [] : [entry.msg];
  } catch {
    return [];
  }
}

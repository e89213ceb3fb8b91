// Roots, steps and drivers for the executor's tests: real kernels, real processes, busybox as the image.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import type { Executor, ProcessSpec, StepResult, StepSpec } from "../../builder/executor/executor.ts";
import { isPrivileged } from "../../builder/executor/rights.ts";
import { namespaceCommand, planUserNamespace } from "../../builder/executor/user-namespace.ts";

export const BUSYBOX = "/bin/busybox";

/** Why sandbox tests cannot run on this machine; undefined where they can. */
export function whyNoSandbox(): string | undefined {
  return existsSync(BUSYBOX) ? undefined : `${BUSYBOX} is missing (apt-get install busybox-static)`;
}

/**
 * True for the process that shall run the file's tests. An ordinary user's tests run in a user namespace, as the program
 * would: this process then has one test, which runs the file again inside.
 */
export async function insideSandboxUser(file: string): Promise<boolean> {
  const missing = whyNoSandbox();
  if (missing !== undefined) {
    test("the executor", { skip: missing }, () => undefined);
    return false;
  }
  if (isPrivileged()) return true;
  const plan = await planUserNamespace(process.env).catch((error: unknown) => String(error));
  if (typeof plan === "string" || plan.kind === "direct") {
    test("the executor", { skip: `no namespaces for this user: ${JSON.stringify(plan)}` }, () => undefined);
    return false;
  }
  test(`as an ordinary user (${plan.kind} ids) all of this file passes`, () => {
    const [program, ...args] = namespaceCommand(plan, [process.execPath, "--test", fileURLToPath(file)]);
    const env = { ...process.env, TSBUILD_USERNS: plan.kind };
    Reflect.deleteProperty(env, "NODE_TEST_CONTEXT");
    const inner = spawnSync(program, args, { encoding: "utf8", env });
    if (inner.status !== 0) throw new Error(`${inner.stdout}\n${inner.stderr}`);
    for (const line of inner.stdout.split("\n").filter((text) => /^(# |ℹ )(tests|pass|skipped)|SKIP/.test(text)))
      console.log(line);
  });
  return false;
}

/** A folder with a busybox image in `lower`; gone when disposed. */
export class Bench implements Disposable {
  readonly base = mkdtempSync(join(tmpdir(), "tsbuild-executor-"));
  readonly lower = join(this.base, "lower");
  #steps = 0;

  constructor() {
    for (const name of ["bin", "tmp", "var/lib"]) mkdirSync(join(this.lower, name), { recursive: true, mode: 0o755 });
    copyFileSync(BUSYBOX, join(this.lower, "bin/busybox"));
    const applets = spawnSync(BUSYBOX, ["--list"], { encoding: "utf8" }).stdout.trim().split("\n");
    for (const applet of applets) if (applet !== "busybox") symlinkSync("busybox", join(this.lower, "bin", applet));
  }

  /** A fresh folder. */
  folder(name: string): string {
    const path = join(this.base, `${this.#steps++}-${name}`);
    mkdirSync(path);
    return path;
  }

  /** A step that runs `script` in the image with an upper of its own. */
  step(script: string, changes: StepChanges = {}): PreparedStep {
    const upper = this.folder("upper");
    const { process: ownProcess, ...rest } = changes;
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const spec: StepSpec = {
      id: `test-${process.pid}-${this.#steps}`,
      root: { kind: "overlay", stack: { lowers: [this.lower], upper, work: this.folder("work") }, readonly: false },
      mounts: [],
      process: {
        args: ["/bin/sh", "-c", script],
        env: ["PATH=/bin"],
        cwd: "/",
        uid: 0,
        gid: 0,
        additionalGids: [],
        security: "sandbox",
        ulimits: [],
        ...ownProcess,
      },
      network: "default",
      hostname: "buildkitsandbox",
      extraHosts: [],
      shmSizeBytes: 64 * 1024 * 1024,
      scratch: this.folder("scratch"),
      output: (stream, chunk) => (stream === 1 ? out : err).push(Buffer.from(chunk)),
      ...rest,
    };
    const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("utf8");
    return { spec, upper, out: () => text(out), err: () => text(err) };
  }

  /** Runs a script; its output and what its upper holds, /dev, /proc and /sys left out. */
  async run(executor: Executor, script: string, changes: StepChanges = {}): Promise<StepRun> {
    const step = this.step(script, changes);
    const result = await executor.run(step.spec, new AbortController().signal);
    return { ...result, out: step.out(), err: step.err(), upper: listUpper(step.upper), upperPath: step.upper };
  }

  [Symbol.dispose](): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

export type StepChanges = Partial<Omit<StepSpec, "process">> & { readonly process?: Partial<ProcessSpec> };

export interface PreparedStep {
  readonly spec: StepSpec;
  readonly upper: string;
  readonly out: () => string;
  readonly err: () => string;
}

export interface StepRun extends StepResult {
  readonly out: string;
  readonly err: string;
  readonly upper: readonly string[];
  readonly upperPath: string;
}

/** Everything in an upper but the three directories that stay (mount-targets-scratch of the conformance corpus). */
export function listUpper(upper: string): string[] {
  return readdirSync(upper, { recursive: true, encoding: "utf8" })
    .filter((path) => !["dev", "proc", "sys"].includes(path))
    .toSorted();
}

// Which driver runs the steps: every one is asked what it may do here, the first usable one is
// taken. By trying, never by looking at the uid or at what happens to be installed.

import { BuildError } from "../core/errors.ts";
import { chrootExecutor, probeChroot } from "./drivers/chroot.ts";
import { crunExecutor, probeCrun } from "./drivers/crun.ts";
import { launcherExecutor, probeLauncher } from "./drivers/launcher.ts";
import { probeRunc, runcExecutor } from "./drivers/runc.ts";
import { probeUnshare, unshareExecutor } from "./drivers/unshare.ts";
import type { DriverName, DriverProbe, Executor, RequiredSandbox } from "./executor.ts";
import { findLauncher } from "./find-launcher.ts";

/** The order of choice (measured: the own launcher starts steps three to ten times faster than an OCI runtime). */
export const DRIVER_ORDER: readonly DriverName[] = ["launcher", "crun", "runc", "unshare", "chroot"];

export interface ExecutorChoice {
  readonly executor: Executor;
  /** What was found out on the way: the drivers that were passed over, and the one taken. */
  readonly probes: readonly DriverProbe[];
}

/**
 * The best usable driver, or exactly the required one. Call inside the user namespace where one is needed
 * (`planUserNamespace`). Throws `SANDBOX` with every driver's reason when none will do.
 */
export async function chooseExecutor(options: { readonly require?: RequiredSandbox } = {}): Promise<ExecutorChoice> {
  const probes: DriverProbe[] = [];
  for (const driver of driversFor(options.require)) {
    const probe = await probeDriver(driver);
    probes.push(probe);
    if (probe.usable) return { executor: openDriver(driver, probe.notes), probes };
  }
  const reasons = probes.map(({ driver, notes }) => `${driver}: ${notes.join("; ")}`).join("\n  ");
  const what =
    options.require === undefined
      ? "no sandbox for RUN can be set up here"
      : `the sandbox "${options.require}" cannot be used here`;
  throw new BuildError("SANDBOX", `${what}\n  ${reasons}`, {
    hint:
      options.require === undefined
        ? "run `tsbuild doctor`"
        : "`tsbuild doctor` says what it lacks; without --require-sandbox the best one there is does",
  });
}

/** Those that may do, the best first. */
function driversFor(required: RequiredSandbox | undefined): readonly DriverName[] {
  if (required === undefined) return DRIVER_ORDER;
  return required === "namespaces" ? DRIVER_ORDER.filter((driver) => driver !== "chroot") : [required];
}

/** What every driver says of this machine (`tsbuild doctor`). */
export async function probeDrivers(): Promise<DriverProbe[]> {
  return await Promise.all(DRIVER_ORDER.map((driver) => probeDriver(driver)));
}

async function probeDriver(driver: DriverName): Promise<DriverProbe> {
  switch (driver) {
    case "launcher":
      return await probeLauncher(findLauncher());
    case "crun":
      return await probeCrun();
    case "runc":
      return await probeRunc();
    case "unshare":
      return await probeUnshare();
    case "chroot":
      return await probeChroot(findLauncher());
  }
}

function openDriver(driver: DriverName, notes: readonly string[]): Executor {
  switch (driver) {
    case "launcher":
      return launcherExecutor(ownLauncher(), notes);
    case "crun":
      return crunExecutor(notes);
    case "runc":
      return runcExecutor(notes);
    case "unshare":
      return unshareExecutor(notes);
    case "chroot":
      return chrootExecutor(ownLauncher(), notes);
  }
}

function ownLauncher(): string {
  const path = findLauncher();
  if (path === undefined) throw new BuildError("INTERNAL", "the launcher vanished after its probe");
  return path;
}

// Where nothing may be mounted and no namespace made (a pod with a container's ordinary capabilities): the step gets
// another root, Docker's capabilities but the one to leave that root, and the container's own seccomp filter. What is
// mounted elsewhere is put into the root, and taken out again when the step has ended. Where the kernel lets it, the
// launcher answers what the step asks of /proc and of itself (launcher/answer.c), so that it sees what it sees elsewhere.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { asBuildError, BuildError } from "../../core/errors.ts";
import type { DriverProbe, Executor, StepSpec } from "../executor.ts";
import { refuseCgroupParent, watchOwnMemory } from "../cgroup.ts";
import { readHostFacts } from "../host-facts.ts";
import { hasChrootRights } from "../rights.ts";
import type { Capability } from "../sandbox-policy.ts";
import { DEFAULT_CAPABILITIES, DEFAULT_SHM_BYTES } from "../sandbox-policy.ts";
import { planChroot } from "../launcher/chroot-plan.ts";
import { MOUNTS_HINT, throwIfAborted } from "../launcher/step-result.ts";
import { wantsTerminal } from "../terminal.ts";
import { trialStep } from "../trial-step.ts";
import { furnish } from "./chroot-files.ts";
import { withoutSurvivors } from "./chroot-processes.ts";
import { runPiped } from "./launcher.ts";
import { inTurn } from "./turns.ts";

const ONE_AFTER_THE_OTHER = "steps run one after the other, and one could stop the builds in this container";
/** What it lacks; said whenever this driver is taken. */
const WATCHED_NOTES: readonly string[] = [
  "steps have no /sys, and one that changes its root (chroot) fails",
  "their network is this container's, and /dev/shm is as large as the disk: a step that writes such a thing into a file makes another image than elsewhere",
  ONE_AFTER_THE_OTHER,
];
/** The same without anybody who answers: the kernel is older than 5.9, or the container's filter forbids it. */
const UNWATCHED_NOTES: readonly string[] = [
  "steps have no /sys and little of /proc: one that opens /dev/stdout or /dev/fd/3 or reads /proc/mounts fails",
  "their process ids, host name and network are this container's, a directory has other numbers of links, and /dev/shm is as large as the disk: a step that writes such a thing into a file makes another image than elsewhere",
  ONE_AFTER_THE_OTHER,
];

/** Whether a step can be run so here. Never throws. */
export async function probeChroot(launcher: string | undefined): Promise<DriverProbe> {
  const unusable = (note: string): DriverProbe => ({ driver: "chroot", usable: false, notes: [note] });
  if (launcher === undefined) return unusable("tsbuild-launcher is not there");
  if (!hasChrootRights()) return unusable("this process is not root with a container's ordinary capabilities");
  if ((await tryStep(launcher, WATCHED_NOTES)) === undefined)
    return { driver: "chroot", usable: true, notes: WATCHED_NOTES };
  const why = await tryStep(launcher, UNWATCHED_NOTES);
  return why === undefined ? { driver: "chroot", usable: true, notes: UNWATCHED_NOTES } : unusable(why);
}

/** Why a step cannot be run so. */
async function tryStep(launcher: string, notes: readonly string[]): Promise<string | undefined> {
  const base = mkdtempSync(join(tmpdir(), "tsbuild-probe-"));
  try {
    const [path, scratch] = [join(base, "root"), join(base, "scratch")];
    for (const directory of [path, scratch]) mkdirSync(directory);
    const step = trialStep("chroot-trial", { kind: "directory", path, readonly: false }, scratch, ["/missing"]);
    await chrootExecutor(launcher, notes).run({ ...step, isRepeatable: true }, new AbortController().signal);
    return "a trial step ran what is not there";
  } catch (error) {
    const { code, message } = asBuildError(error);
    return code === "RUN_FAILED" ? undefined : message;
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** The executor over the launcher at `path`. One step at a time has a root. */
export function chrootExecutor(path: string, notes: readonly string[]): Executor {
  const host = readHostFacts();
  return {
    driver: "chroot",
    notes,
    async run(step, signal) {
      refuseCgroupParent(step, "chroot");
      const isWatched = notes === WATCHED_NOTES && step.isRepeatable === true;
      const root = refuseWhatIsMissing(step, isWatched);
      return await inTurn(signal, async () => {
        throwIfAborted(signal);
        const outOfMemory = watchOwnMemory();
        using furnished = furnish(root, step, isWatched);
        const wanted = step.process.capabilities ?? DEFAULT_CAPABILITIES;
        const [capabilities, showsChroot] = [wanted.filter(isKept), !wanted.every(isKept)];
        const places = isWatched ? furnished.places : undefined;
        const { changed } = furnished;
        const spec = planChroot(step, { root, capabilities, places, changed, showsChroot }, host);
        const result = await withoutSurvivors(root, () => runPiped(path, spec, step, signal));
        furnished.check();
        return { ...result, ...(outOfMemory() ? { outOfMemory: true } : {}) };
      });
    },
  };
}

function isKept(name: Capability): boolean {
  // With it a process that is root leaves the root as it came; without it, it also cannot trace the builder, which has it.
  return name !== "CAP_SYS_CHROOT";
}

/** Throws `SANDBOX` for what only namespaces and mounts give. */
function refuseWhatIsMissing(step: StepSpec, isWatched: boolean): string {
  const refuse = (what: string, hint?: string): BuildError =>
    new BuildError("SANDBOX", `${what} is not possible where nothing may be mounted`, {
      hint: hint === undefined ? MOUNTS_HINT : `${hint}; or ${MOUNTS_HINT}`,
    });
  if (step.root.kind !== "directory") throw refuse("an overlay");
  if (step.root.readonly) throw refuse("a read-only root file system");
  if (step.process.security === "insecure") throw refuse("--security=insecure");
  if (wantsTerminal(step)) throw refuse("a terminal");
  if (isWatched) return step.root.path;
  if (step.network === "none") throw refuse("--network=none");
  if (step.shmSizeBytes !== DEFAULT_SHM_BYTES)
    throw refuse("a size of /dev/shm", "leave --shm-size out, as /dev/shm may take what the disk has");
  if (step.needsHostname === true && step.hostname !== hostname())
    throw refuse(`the host name "${step.hostname}"`, `give it to the container (of a pod, hostname: ${step.hostname})`);
  return step.root.path;
}

// What this machine can do for a build, found out by trying, and the smallest change that allows more.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { whyNoOverlay } from "./choose-snapshotter.ts";
import { BuildError, isErrno } from "./core/errors.ts";
import { chooseExecutor, probeDrivers } from "./executor/choose.ts";
import type { DriverName, DriverProbe, RequiredSandbox } from "./executor/executor.ts";
import { ownCapabilities } from "./executor/own-capabilities.ts";
import {
  isPrivileged,
  mayMount,
  missingChrootRights,
  NAMESPACE_VARIABLE,
  namespaceNotes,
  overlayXattrs,
} from "./executor/rights.ts";
import type { Capability } from "./executor/sandbox-policy.ts";
import { capabilitiesOf } from "./executor/sandbox-policy.ts";
import { isInsideUserNamespace, planUserNamespace } from "./executor/user-namespace.ts";

/** What RUN has: namespaces and mounts of its own; another root alone; or it cannot run. */
export type Rung = "namespaces" | "chroot" | "none";

/** How RUN gets its rights: as they are, or through a user namespace of one or many ids; or there are none to be had, and another root is all. */
export type Rights = "direct" | "own" | "subordinate" | "single" | "impossible" | "chroot";

export interface Examination {
  readonly rights: Rights;
  /** This process is in the namespace already. */
  readonly isInside: boolean;
  /** What is missing there, and the one thing to do about it. */
  readonly notes: readonly string[];
}

/** A thing that is missing, the smallest change that gives it, and what RUN has then. */
export interface Missing {
  readonly what: string;
  readonly change: string;
  readonly gives: Rung;
}

/** All there is to say. */
export interface Diagnosis {
  readonly store: string;
  readonly rung: Rung;
  readonly rights: Rights;
  readonly notes: readonly string[];
  /** The driver that is used. */
  readonly sandbox: DriverName | undefined;
  readonly drivers: readonly DriverProbe[];
  /** How the files of a step come about; undefined where none can run. */
  readonly files: "overlay" | "copy" | undefined;
  readonly process: ProcessFacts;
  /** The smallest change first. */
  readonly missing: readonly Missing[];
}

/** What the kernel says of this process. */
export interface ProcessFacts {
  readonly uid: number;
  readonly capabilities: readonly Capability[];
  readonly noNewPrivileges: boolean;
  readonly seccompFilter: boolean;
}

/** Which way into a namespace there is. */
export async function examineNamespace(environment: NodeJS.ProcessEnv): Promise<Examination> {
  if (isInsideUserNamespace(environment)) {
    const kind = environment[NAMESPACE_VARIABLE];
    const rights = kind === "single" || kind === "own" ? kind : "subordinate";
    const variables = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])); // prettier-ignore
    return { rights, isInside: true, notes: namespaceNotes(new Map(variables)) };
  }
  try {
    const plan = await planUserNamespace(environment);
    return { rights: plan.kind, isInside: false, notes: plan.notes };
  } catch (error) {
    if (!(error instanceof BuildError) || error.code !== "SANDBOX") throw error;
    const notes = [error.message, ...(error.hint === undefined ? [] : [error.hint])];
    return { rights: isPrivileged() && !mayMount() ? "chroot" : "impossible", isInside: false, notes };
  }
}

/**
 * Tries everything. Undefined where it has to be asked again inside a user namespace: only there do the drivers say the
 * truth. `root` is the store's folder, which need not be there.
 */
export async function diagnose(environment: NodeJS.ProcessEnv, root: string): Promise<Diagnosis | undefined> {
  const { rights, isInside, notes } = await examineNamespace(environment);
  if (!isInside && rights in IDS) return undefined;
  const drivers = rights === "impossible" ? [] : await probeDrivers();
  const sandbox = drivers.find(({ usable }) => usable)?.driver;
  const rung = rungOf(sandbox);
  const whyCopy = sandbox === undefined ? undefined : await examineOverlay(root);
  const process = processFacts();
  return {
    store: root,
    rung,
    rights,
    notes,
    sandbox,
    drivers,
    files: sandbox === undefined ? undefined : whyCopy === undefined ? "overlay" : "copy",
    process,
    missing: [...missingOf(rung, notes, process), ...(rung === "namespaces" ? missingOverlay(whyCopy) : [])],
  };
}

/** What runs the steps of this process. */
export interface ChosenSandbox {
  readonly rung: Rung;
  readonly driver: DriverName | undefined;
  /** What the driver lacks, or why there is none. */
  readonly notes: readonly string[];
}

/** What RUN has in this process, found out by trying. Throws `SANDBOX` where that is less than what is required. */
export async function chosenSandbox(required: RequiredSandbox | undefined): Promise<ChosenSandbox> {
  try {
    const { executor } = await chooseExecutor(required === undefined ? {} : { require: required });
    return { rung: rungOf(executor.driver), driver: executor.driver, notes: executor.notes };
  } catch (error) {
    if (required !== undefined || !(error instanceof BuildError) || error.code !== "SANDBOX") throw error;
    return { rung: "none", driver: undefined, notes: error.message.split("\n").map((line) => line.trim()) };
  }
}

/** Rights of a user namespace, and which ids it has. */
const IDS = { own: "all ids of this container", subordinate: "subordinate ids", single: "one id" } as const;

function rungOf(driver: DriverName | undefined): Rung {
  if (driver === undefined) return "none";
  return driver === "chroot" ? "chroot" : "namespaces";
}

/**
 * What RUN would have here, without trying every driver: a line for the beginning of a job. Throws `SANDBOX` where that is
 * less than what is required.
 */
export async function sandboxLine(environment: NodeJS.ProcessEnv, required?: RequiredSandbox): Promise<string> {
  const { rights, notes } = await examineNamespace(environment);
  if (required !== undefined && (rights === "impossible" || (rights === "chroot" && required !== "chroot")))
    throw new BuildError("SANDBOX", `RUN has ${rights === "chroot" ? "chroot" : "no sandbox"} here, not ${required}`, {
      hint: notes.join("; "),
    });
  switch (rights) {
    case "direct":
      return "RUN has namespaces of its own: this process may make them";
    case "own":
    case "subordinate":
    case "single":
      return `RUN has namespaces of its own, in a user namespace with ${IDS[rights]}`;
    case "chroot":
      return "RUN has another root: a container's ordinary capabilities allow neither mounts nor namespaces";
    case "impossible":
      return `RUN does not work here, builds without one do: ${notes.join("; ")}`;
  }
}

/** Why the rootfs of a RUN has to be copied, tried on the file system that holds the store, or will; undefined where overlays work. */
async function examineOverlay(root: string): Promise<string | undefined> {
  let parent = root;
  while (!existsSync(parent)) parent = dirname(parent);
  let workDirectory: string;
  try {
    workDirectory = mkdtempSync(join(parent, ".tsbuild-doctor-"));
  } catch (error) {
    if (!isErrno(error, "EROFS", "EACCES", "EPERM")) throw error;
    return `"${parent}" cannot be written to`;
  }
  try {
    const { executor } = await chooseExecutor();
    return await whyNoOverlay({ workDirectory, overlayXattrs: overlayXattrs() }, executor);
  } finally {
    rmSync(workDirectory, { recursive: true, force: true });
  }
}

function missingOf(rung: Rung, [what, change]: readonly string[], { uid }: ProcessFacts): readonly Missing[] {
  if (rung === "namespaces") return [];
  const namespaces: Missing = {
    what: what ?? "no sandbox driver works",
    change: change ?? "see what each driver says",
    gives: "namespaces",
  };
  if (rung === "chroot") return [namespaces];
  const lacks = missingChrootRights();
  if (lacks.length === 0) return [namespaces];
  const names = lacks.map((name) => name.replace("CAP_", ""));
  const container: Missing = {
    what: `${uid === 0 ? "root lacks" : `this process is the user ${uid} and lacks`} ${lacks.join(", ")}`,
    change:
      uid === 0
        ? `securityContext: capabilities: add: [${names.join(", ")}]`
        : "securityContext: runAsUser: 0, without capabilities: drop: [ALL]",
    gives: "chroot",
  };
  return [container, namespaces];
}

function missingOverlay(why: string | undefined): readonly Missing[] {
  if (why === undefined) return [];
  const change = "keep the store on a volume: --root (of a job --kaniko-dir) in an emptyDir or a claim";
  return [{ what: `no overlay can be mounted in the store: ${why}`, change, gives: "namespaces" }];
}

function processFacts(): ProcessFacts {
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    uid: process.getuid?.() ?? 0,
    capabilities: capabilitiesOf(ownCapabilities().effective),
    noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
    seccompFilter: /^Seccomp:\s*2/m.test(status),
  };
}

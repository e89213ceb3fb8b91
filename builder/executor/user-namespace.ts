// Rootless: what this process may do, and how it becomes root of a user namespace. The program
// re-executes itself once; the engine inside then sees itself as root and needs no second way of doing things.

import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { constants, userInfo } from "node:os";
import { delimiter } from "node:path";
import { BuildError } from "../core/errors.ts";
import { keepOpenOnExec } from "../core/system/syscall.ts";
import { tool } from "./drivers/prelude.ts";
import { findLauncher } from "./find-launcher.ts";
import { ownCapabilities } from "./own-capabilities.ts";
import { capabilityMask } from "./sandbox-policy.ts";
import { findProgram } from "./find-program.ts";
import { NAMESPACE_VARIABLE, NOTES_VARIABLE } from "./rights.ts";
import type { IdMapping } from "./subordinate-ids.ts";
import { formatMappings, freeRange, mappingsFor, ownIds, readSubordinateIds } from "./subordinate-ids.ts";
import { readText } from "./read-text.ts";

/** How RUN steps get the rights they need. */
export type NamespacePlan =
  | { readonly kind: "direct"; readonly notes: readonly string[] }
  | {
      readonly kind: "subordinate";
      readonly uids: readonly IdMapping[];
      readonly gids: readonly IdMapping[];
      readonly notes: readonly string[];
    }
  | {
      /** All ids that this process has, as itself: it may map them without anybody's help. */
      readonly kind: "own";
      readonly uids: readonly IdMapping[];
      readonly gids: readonly IdMapping[];
      readonly notes: readonly string[];
    }
  | { readonly kind: "single"; readonly notes: readonly string[] };

/** Whether this program was re-executed by `enterUserNamespace`. */
export function isInsideUserNamespace(env: NodeJS.ProcessEnv): boolean {
  return env[NAMESPACE_VARIABLE] !== undefined;
}

/**
 * Finds out by trying, in order: rights as they are, a user namespace with all ids that a container's root has, one with
 * subordinate ids, one with a single id (whose notes say what will not work). Throws `SANDBOX` that says what is missing, with the one thing to do about it.
 */
export async function planUserNamespace(env: NodeJS.ProcessEnv): Promise<NamespacePlan> {
  const direct = await attempt([]);
  if (direct.works) return { kind: "direct", notes: [] };
  if (isInsideUserNamespace(env)) throw refusal(direct);
  if (mayMapIds()) {
    const own = { uids: ownIds("/proc/self/uid_map"), gids: ownIds("/proc/self/gid_map") };
    const tried = await attempt(["own", formatMappings(own.uids, " "), formatMappings(own.gids, " ")]);
    if (tried.works) return { kind: "own", ...own, notes: [] };
  }
  const ids = subordinatePlan(env);
  if ("uids" in ids) {
    const tried = await attempt(["helpers", formatMappings(ids.uids, " "), formatMappings(ids.gids, " ")]);
    if (tried.works) return { kind: "subordinate", ...ids, notes: [] };
    if (tried.reason !== "") ids.problems.push(tried.reason);
  }
  const single = await attempt(["self", `0 ${ownUid()} 1`, `0 ${ownGid()} 1`]);
  if (!single.works) throw refusal(single);
  return { kind: "single", notes: [...ids.problems, SINGLE_ID_NOTE] };
}

/** Who writes the map, as the launcher names it. */
const MODES = { own: "own", subordinate: "helpers", single: "self" } as const;
const FIRST_LISTENED = 3;
const SINGLE_ID_NOTE =
  "only one user id is available: files of other owners, `USER`, chown and setgroups fail, and apt-get needs -o APT::Sandbox::User=root";

/**
 * Runs this program again with `argv` (its script and arguments) as root of a new user and mount namespace. With Node's
 * execve it *becomes* that program, so signals, terminal and exit code need no relay and this never returns; without, it
 * stays as the parent and resolves with the exit code.
 */
export async function enterUserNamespace(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  plan: NamespacePlan,
): Promise<number> {
  if (plan.kind === "direct") throw new BuildError("INTERNAL", "no user namespace is needed here");
  const marked: Record<string, string> = { [NAMESPACE_VARIABLE]: plan.kind, [NOTES_VARIABLE]: plan.notes.join("\n") };
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && name !== NAMESPACE_VARIABLE && name !== NOTES_VARIABLE) marked[name] = value;
  // In there the user database would say that this is root.
  if (!marked["HOME"]) marked["HOME"] = ownHome();
  // Without "--" Node looks for flags of its own among the program's.
  const program = [process.execPath, ...process.execArgv, "--", ...argv];
  const [file, ...args] = namespaceCommand(plan, program);
  // What a service manager opened (sd_listen_fds(3)) is for the program that this one becomes.
  for (let fd = 0; fd < Number(env["LISTEN_FDS"] ?? 0); fd++) keepOpenOnExec(FIRST_LISTENED + fd);
  if (typeof process.execve === "function") process.execve(file, [file, ...args], marked);
  return await runAsParent(file, args, marked);
}

/** The command that starts `program` as root of a namespace; unshare(1) stands in for the launcher, with one range of ids. */
export function namespaceCommand(
  plan: Exclude<NamespacePlan, { kind: "direct" }>,
  program: readonly string[],
): [string, ...string[]] {
  const launcher = findLauncher();
  const uids = plan.kind === "single" ? `0 ${ownUid()} 1` : formatMappings(plan.uids, " ");
  const gids = plan.kind === "single" ? `0 ${ownGid()} 1` : formatMappings(plan.gids, " ");
  if (launcher !== undefined) return [launcher, "userns", MODES[plan.kind], uids, gids, ...program];
  return [
    tool("unshare"),
    "--user",
    "--mount",
    "--map-root-user",
    ...(plan.kind === "subordinate" ? ["--map-auto"] : []),
    "--",
    ...program,
  ];
}

async function runAsParent(file: string, args: readonly string[], env: Record<string, string>): Promise<number> {
  const child = spawn(file, args, { stdio: "inherit", env });
  // The terminal sends SIGINT, SIGQUIT and SIGHUP to the whole group; only what was sent to us alone is passed on.
  const ignore = (): void => undefined;
  const pass = (): void => void child.kill("SIGTERM");
  for (const name of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) process.on(name, ignore);
  process.on("SIGTERM", pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new BuildError("SANDBOX", `cannot start "${file}": ${cause.message}`, { cause })),
      );
      child.on("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
  } finally {
    for (const name of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) process.off(name, ignore);
    process.off("SIGTERM", pass);
  }
}

interface Attempt {
  readonly works: boolean;
  /** What was said on stderr, one line. */
  readonly reason: string;
  /** errno by name of check, as the launcher's probe gives them. */
  readonly checks: ReadonlyMap<string, number>;
}

/** Tries the calls that a step needs, here (no arguments) or in a user namespace (mode and maps). */
async function attempt(namespace: readonly string[]): Promise<Attempt> {
  const launcher = findLauncher();
  if (launcher === undefined) {
    const mode =
      namespace.length === 0
        ? []
        : ["--user", "--map-root-user", ...(namespace[0] === "helpers" ? ["--map-auto"] : [])];
    const tried = await capture("unshare", [
      ...mode,
      "--mount",
      "--pid",
      "--fork",
      "--ipc",
      "--uts",
      "mount",
      "-t",
      "tmpfs",
      "tmpfs",
      "/tmp",
    ]);
    return { works: tried.code === 0, reason: tried.stderr, checks: new Map() };
  }
  const command = namespace.length === 0 ? ["probe"] : ["userns", ...namespace, launcher, "probe"];
  const tried = await capture(launcher, command);
  const checks = new Map(
    tried.stdout.split("\n").map((line): [string, number] => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]),
  );
  return {
    works: tried.code === 0 && (checks.get("everything") === 0 || checks.get("mount") === 0),
    reason: tried.stderr,
    checks,
  };
}

async function capture(
  file: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number>((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (status) => resolve(status ?? 128));
  });
  return { code, stdout, stderr: stderr.trim().replaceAll("\n", "; ") };
}

/** Whether the kernel takes any map from this process, which only the launcher writes. */
function mayMapIds(): boolean {
  const needed = capabilityMask(["CAP_SETUID", "CAP_SETGID"]);
  return findLauncher() !== undefined && ownUid() === 0 && (ownCapabilities().effective & needed) === needed;
}

interface SubordinatePlan {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
  readonly problems: string[];
}

function subordinatePlan(env: NodeJS.ProcessEnv): SubordinatePlan | { readonly problems: string[] } {
  const user = userName();
  const uidRanges = readSubordinateIds("/etc/subuid", user, ownUid());
  const gidRanges = readSubordinateIds("/etc/subgid", user, ownUid());
  if (uidRanges.length === 0 || gidRanges.length === 0) {
    const free = freeRange(["/etc/subuid", "/etc/subgid"]);
    return {
      problems: [
        `"${user}" has no subordinate ids; as root: usermod --add-subuids ${free} --add-subgids ${free} ${user}`,
      ],
    };
  }
  const directories = programDirectories(env);
  if (["newuidmap", "newgidmap"].some((name) => findProgram(name, directories) === undefined)) {
    return { problems: ["newuidmap and newgidmap are missing; as root: apt-get install uidmap"] };
  }
  if (/^NoNewPrivs:\s*1/m.test(readText("/proc/self/status"))) {
    return {
      problems: ["no_new_privs is set (a container's allowPrivilegeEscalation: false), so newuidmap cannot work"],
    };
  }
  return { uids: mappingsFor(ownUid(), uidRanges), gids: mappingsFor(ownGid(), gidRanges), problems: [] };
}

/** Why not even a namespace with one id can be had, and the one way out. */
function refusal(tried: Attempt): BuildError {
  const said = tried.reason === "" ? "" : ` (${tried.reason})`;
  const setting = (name: string): string => readText(`/proc/sys/${name.replaceAll(".", "/")}`).trim();
  const error = (message: string, hint: string): BuildError =>
    new BuildError("SANDBOX", `RUN needs namespaces, but ${message}${said}`, { hint });
  if (setting("user.max_user_namespaces") === "0") {
    return error("this machine allows no user namespaces", "as root: sysctl -w user.max_user_namespaces=15000");
  }
  if (setting("kernel.unprivileged_userns_clone") === "0") {
    return error(
      "ordinary users may not make user namespaces here",
      "as root: sysctl -w kernel.unprivileged_userns_clone=1",
    );
  }
  if (setting("kernel.apparmor_restrict_unprivileged_userns") === "1") {
    return error(
      "AppArmor forbids mounts in ordinary users' namespaces here",
      "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    );
  }
  if (isChrooted()) {
    return error(
      "this process lives in a chroot, where the kernel allows no user namespaces",
      "start it outside, or in a container with a root of its own",
    );
  }
  const own = "CAP_SYS_ADMIN in a user namespace of its own (hostUsers: false)";
  return error(
    "this process may not make any",
    // A container's root would have one id in a namespace below, and has all of them without.
    process.getuid?.() === 0
      ? `in a container, give it ${own}`
      : `in a container, allow ${SANDBOX_CALLS} in its seccomp profile, or give its root (runAsUser: 0) ${own}`,
  );
}

/** What Docker's profile keeps from a container without CAP_SYS_ADMIN, and the launcher calls: with these a step runs there. */
const SANDBOX_CALLS =
  "unshare, clone, mount, umount2, pivot_root, sethostname, open_tree, move_mount and mount_setattr";

function isChrooted(): boolean {
  try {
    const own = statSync("/proc/self/root/");
    const first = statSync("/proc/1/root/");
    return own.ino !== first.ino || own.dev !== first.dev;
  } catch {
    return false; // not ours to see
  }
}

function programDirectories(env: NodeJS.ProcessEnv): string[] {
  return [...(env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(ownUid()); // no passwd entry, as in many containers
  }
}

function ownHome(): string {
  try {
    return userInfo().homedir;
  } catch {
    return "/";
  }
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

function ownGid(): number {
  return process.getgid?.() ?? 0;
}

// What a step finds in its root where nothing can be mounted: devices, two files in /etc, and what RUN --mount asks for.
// All of it is put there before the step and taken away after it, and what it lay upon comes back.

import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError, isErrno } from "../../core/errors.ts";
import type { MountSpec, StepSpec } from "../executor.ts";
import { writeHostFiles } from "../host-files.ts";
import type { WatchedPlace } from "../launcher/spec.ts";
import { distinctMounts } from "../launcher/step-plan.ts";
import { MOUNTS_HINT } from "../launcher/step-result.ts";
import { DEFAULT_SHM_BYTES } from "../sandbox-policy.ts";
import type { KernelTraps } from "./chroot-kernel.ts";
import { furnishKernel } from "./chroot-kernel.ts";

const MOST_LINKS = 40;

/** A root with everything in its place. Disposing it clears the root. */
export interface Furnished extends Disposable {
  /** What is read-only or of limited size, and all else that a mount would be if anything is; paths in the root. */
  readonly places: readonly WatchedPlace[];
  /** Directories that have something in or below them now which the root had not, relative paths. */
  readonly changed: readonly BytePath[];
  /** Throws `SANDBOX` when something could not be put back where it belongs. */
  check(): void;
}

/** Puts everything into the root at `root`. Nothing of the step, or of an earlier one, runs by now. Throws `SANDBOX`. */
export function furnish(root: string, step: StepSpec, isWatched: boolean): Furnished {
  const furniture = new Furniture(root, join(step.scratch, "aside"), isWatched);
  try {
    const files = writeHostFiles(step);
    furniture.kernel(step.shmSizeBytes);
    furniture.file(files.resolvConf, "/etc/resolv.conf");
    furniture.file(files.hosts, "/etc/hosts");
    for (const mount of distinctMounts(step.mounts)) furniture.mount(mount);
    furniture.watch();
    return furniture;
  } catch (error) {
    furniture[Symbol.dispose]();
    if (error instanceof BuildError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new BuildError("SANDBOX", `cannot prepare the step's root: ${why}`, { cause: error });
  }
}

class Furniture implements Furnished {
  readonly #root: string;
  /** Where lies what something else was put upon. */
  readonly #aside: string;
  readonly #undo: (() => void)[] = [];
  readonly #failures: string[] = [];
  #traps: KernelTraps | undefined;
  /** What a step may read only: the target as it was named, by its path in the root. */
  readonly #unwritable = new Map<string, string>();
  /** Paths in the root where a mount's place is. */
  readonly #mounted = new Set<string>();
  /** What `#unwritable` was like when all was in its place. */
  #before = new Map<string, string>();
  #aways = 0;
  readonly #places: WatchedPlace[] = [];
  readonly #changed = new Set<BytePath>();
  /** A supervisor answers the step's system calls. */
  readonly #isWatched: boolean;

  constructor(root: string, aside: string, isWatched: boolean) {
    this.#root = root;
    this.#isWatched = isWatched;
    this.#aside = aside;
    fs.mkdirSync(aside, { recursive: true, mode: 0o700 });
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0).toReversed()) {
      try {
        undo();
      } catch (error) {
        // What the step took away itself need not be taken away.
        if (!isErrno(error, "ENOENT", "ENOTDIR")) this.#failures.push(String(error));
      }
    }
  }

  get places(): readonly WatchedPlace[] {
    return this.#places.some(({ readonly, sizeBytes }) => readonly || sizeBytes > 0) ? this.#places : [];
  }

  get changed(): readonly BytePath[] {
    return [...this.#changed];
  }

  check(): void {
    const [opened] = this.#traps?.opened() ?? [];
    const [written] = [...this.#unwritable].filter(([path]) => this.#stateOf(path) !== this.#before.get(path));
    this[Symbol.dispose]();
    if (opened !== undefined) throw new BuildError("SANDBOX", openedText(opened), { hint: MOUNTS_HINT });
    if (written !== undefined)
      throw new BuildError(
        "SANDBOX",
        `a step wrote to "${written[1]}", which is read-only, and that cannot be enforced where nothing may be mounted`,
        { hint: MOUNTS_HINT },
      );
    const [first] = this.#failures;
    if (first !== undefined) throw new BuildError("SANDBOX", `the root of a step could not be cleared: ${first}`);
  }

  /** /proc, /dev and /sys. */
  kernel(shmSizeBytes: number): void {
    const [dev = "", proc = "", sys = ""] = ["/dev", "/proc", "/sys"].map((target) => this.#kernelFolder(target));
    const traps = furnishKernel(dev, proc, this.#isWatched);
    this.#traps = traps;
    this.#undo.push(() => traps[Symbol.dispose]());
    // Nobody could keep root from writing to a folder: it is none.
    fs.rmdirSync(sys);
    fs.symlinkSync("/dev/null", sys);
    if (shmSizeBytes !== DEFAULT_SHM_BYTES)
      this.#places.push({ path: join(dev, "shm").slice(this.#root.length), readonly: false, sizeBytes: shmSizeBytes });
  }

  /** The image's own lies aside meanwhile; where it has none an empty one stays, as with every driver. */
  #kernelFolder(target: string): string {
    const path = this.#place(target);
    const isOwn = fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    if (isOwn) this.#cleared(target);
    const make = (): void => {
      fs.mkdirSync(path);
      fs.chmodSync(path, 0o755);
    };
    make();
    this.#undo.push(() => {
      fs.rmSync(path, { recursive: true, force: true });
      if (!isOwn) make();
    });
    return path;
  }

  /** An empty directory that goes with all that is in it. */
  tree(target: string, mode: number, uid = 0, gid = 0): void {
    const path = this.#cleared(target);
    fs.mkdirSync(path);
    this.#undo.push(() => fs.rmSync(path, { recursive: true, force: true }));
    fs.chownSync(path, uid, gid);
    fs.chmodSync(path, mode);
  }

  /** A file under another name where that can be (a socket must be), else its copy. */
  file(source: string, target: string): void {
    const path = this.#cleared(target);
    const stat = fs.statSync(source);
    try {
      fs.linkSync(source, path);
    } catch (error) {
      if (!isErrno(error, "EXDEV", "EPERM") || !stat.isFile()) throw error;
      fs.copyFileSync(source, path, fs.constants.COPYFILE_EXCL);
    }
    this.#undo.push(() => fs.rmSync(path, { recursive: true, force: true }));
    fs.chownSync(path, stat.uid, stat.gid);
    fs.chmodSync(path, stat.mode & 0o7777);
  }

  mount(mount: MountSpec): void {
    this.#put(mount);
    const path = this.#place(mount.target).slice(this.#root.length);
    const sizeBytes = (mount.kind === "tmpfs" ? mount.sizeBytes : undefined) ?? 0;
    this.#places.push({ path, readonly: mount.readonly === true, sizeBytes });
  }

  #put(mount: MountSpec): void {
    switch (mount.kind) {
      case "tmpfs":
        return this.tree(mount.target, mount.mode ?? 0o1777, mount.uid, mount.gid);
      case "overlay":
        throw new BuildError("SANDBOX", `cannot mount a stack of directories on "${mount.target}"`);
      case "bind": {
        if (!fs.statSync(mount.source).isDirectory()) {
          this.file(mount.source, mount.target);
          if (mount.readonly) this.#unwritable.set(this.#place(mount.target), mount.target);
          return;
        }
        if (mount.readonly && mount.isStepsOwn !== true && !this.#isWatched)
          throw new BuildError("SANDBOX", `"${mount.target}" cannot be read-only where nothing may be mounted`, {
            hint: "leave readonly out of the mount",
          });
        // It is moved there for the time of the step: no copy, and what the step writes is in its place.
        const path = this.#cleared(mount.target);
        fs.renameSync(mount.source, path);
        this.#undo.push(() => fs.renameSync(path, mount.source));
        if (mount.readonly) this.#unwritable.set(path, mount.target);
      }
    }
  }

  /** Notes what the step may not change. All is in its place by now: one mount may lie in another. */
  watch(): void {
    this.#before = new Map([...this.#unwritable.keys()].map((path) => [path, this.#stateOf(path)]));
  }

  /** What a change of anything at or below a path changes, but for what is mounted below it. */
  #stateOf(path: string): string {
    const inner = new Set([...this.#mounted].filter((it) => it !== path).map(bytePath));
    const state = (at: BytePath): string => {
      const stat = fs.lstatSync(fsPath(at), { bigint: true, throwIfNoEntry: false });
      if (stat === undefined || inner.has(at)) return "";
      const names = stat.isDirectory() ? fs.readdirSync(fsPath(at), "latin1") : [];
      return `${stat.ino} ${stat.ctimeNs}\n${names.map((name) => state(joinBytes(at, name))).join("")}`;
    };
    return state(bytePath(path));
  }

  /** A path in the root where nothing is any more. */
  #cleared(target: string): string {
    const path = this.#place(target);
    this.#mounted.add(path);
    if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) {
      for (let up = dirname(path); up.length > this.#root.length; up = dirname(up))
        this.#changed.add(bytePath(up.slice(this.#root.length + 1)));
      return path;
    }
    const away = join(this.#aside, String(this.#aways++));
    fs.renameSync(path, away);
    this.#undo.push(() => fs.renameSync(away, path));
    return path;
  }

  /** The real path of a target, links followed inside the root; what is missing above it is made, and goes again if it is still empty. */
  #place(target: string): string {
    const rest = target.split("/").reverse();
    let path = this.#root;
    for (let links = 0; rest.length > 0;) {
      const name = rest.pop();
      if (name === undefined || name === "" || name === ".") continue;
      if (name === "..") {
        if (path !== this.#root) path = dirname(path);
        continue;
      }
      const next = join(path, name);
      const stat = fs.lstatSync(next, { throwIfNoEntry: false });
      if (stat?.isSymbolicLink() === true) {
        if (++links > MOST_LINKS) throw new BuildError("SANDBOX", `"${target}" leads in circles`);
        const text = fs.readlinkSync(next);
        if (text.startsWith("/")) path = this.#root;
        rest.push(...text.split("/").reverse());
        continue;
      }
      if (stat === undefined && rest.some((part) => part !== "")) {
        fs.mkdirSync(next, 0o755);
        this.#undo.push(() => removeIfEmpty(next));
      }
      path = next;
    }
    if (path === this.#root) throw new BuildError("SANDBOX", `cannot mount on "${target}"`);
    return path;
  }
}

function openedText(path: string): string {
  const fd = /^\/proc\/self\/fd\/(\d+)$/.exec(path)?.[1];
  return fd === undefined
    ? `a step read ${path}, which says something else where nothing may be mounted`
    : `a step opened ${path} (as /dev/fd/${fd}, or /dev/stdin, /dev/stdout), which is not there where nothing may be mounted`;
}

function removeIfEmpty(path: string): void {
  try {
    fs.rmdirSync(path);
  } catch (error) {
    if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error; // the step used it, so it stays
  }
}

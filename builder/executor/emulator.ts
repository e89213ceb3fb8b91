// Whether programs of another architecture run here: the kernel hands them to an emulator
// that somebody registered with binfmt_misc. Its table is not always to be seen (in a
// container), so the kernel is asked by what it does with a tiny program.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../core/errors.ts";
import { elfProgram, machineNames } from "./elf.ts";
import { readText } from "./read-text.ts";

/** Where the kernel shows its table of formats. */
const BINFMT_DIRECTORY = "/proc/sys/fs/binfmt_misc";

/** "unknown": it could not be tried. */
export type Emulation = "native" | "emulated" | "missing" | "unknown";

const known = new Map<string, Emulation>();

/** Tries whether a program of an architecture ("arm64") runs; once in a process. Its file lies in `directory` for a moment. */
export function findEmulation(architecture: string, directory: string, own: string): Emulation {
  if (architecture === own) return "native";
  const before = known.get(architecture);
  if (before !== undefined) return before;
  const found = tryProgram(architecture, directory);
  known.set(architecture, found);
  return found;
}

function tryProgram(architecture: string, directory: string): Emulation {
  const program = elfProgram(architecture);
  if (program === undefined) return "unknown";
  const folder = mkdtempSync(join(directory, "emulator-"));
  try {
    const path = join(folder, "true");
    writeFileSync(path, program);
    chmodSync(path, 0o755);
    const { error, status } = spawnSync(path, [], { stdio: "ignore", timeout: 10_000, env: {} });
    if (error !== undefined && !isErrno(error, "ENOEXEC")) return "unknown"; // no room, or nothing runs there
    // execvp(3) gives what the kernel refuses to a shell, which cannot do anything with it.
    return status === 0 ? "emulated" : "missing";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A handler of binfmt_misc. */
export interface FormatHandler {
  readonly name: string;
  readonly interpreter: string;
  /** F: the interpreter was opened when it was registered, so it need not lie in the rootfs of a step. */
  readonly isFixed: boolean;
}

/** The enabled handler for programs that begin so; undefined when there is none, or the table is not to be seen. */
export function findHandler(head: Uint8Array, directory: string = BINFMT_DIRECTORY): FormatHandler | undefined {
  for (const name of namesIn(directory)) {
    const text = readText(join(directory, name));
    const field = (key: string): string => new RegExp(`^${key}:? ?(.*)$`, "m").exec(text)?.[1] ?? "";
    if (!text.startsWith("enabled") || field("magic") === "") continue;
    const magic = Buffer.from(field("magic"), "hex");
    const mask = field("mask") === "" ? Buffer.alloc(magic.length, 0xff) : Buffer.from(field("mask"), "hex");
    const offset = Number(field("offset"));
    const fits = magic.every(
      (byte, at) => ((head[offset + at] ?? 0) & (mask[at] ?? 0xff)) === (byte & (mask[at] ?? 0xff)),
    );
    if (fits) return { name, interpreter: field("interpreter"), isFixed: field("flags").includes("F") };
  }
  return undefined;
}

/** What to do where none is registered. */
export function emulatorHint(architecture: string): string {
  const [machine = architecture] = machineNames(architecture);
  return `register one as root: apt-get install qemu-user-static (qemu-${machine}), or docker run --privileged --rm tonistiigi/binfmt --install ${architecture}`;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name !== "register" && name !== "status");
  } catch {
    return [];
  }
}

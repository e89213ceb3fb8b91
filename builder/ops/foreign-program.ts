// A step for another architecture: whether its program can run here is found out before it
// is tried, since what comes of trying is "exec format error", or less.

import { closeSync, openSync, readSync } from "node:fs";
import { fsPath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform, hostPlatform } from "../core/image/platform.ts";
import { architecturesOf, ELF_HEAD_BYTES } from "../executor/elf.ts";
import { emulatorHint, findEmulation, findHandler } from "../executor/emulator.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import type { ReadableTree } from "../layer/tree/stack-tree.ts";

const HEAD_BYTES = 256;

/** The process that is about to run. */
export interface PlannedProgram {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly platform: Platform;
}

/**
 * Throws `SANDBOX` when the program is for a machine that this one neither is nor emulates, and says what to do. Anything
 * else (a native program in a foreign image, one that is not there) is for the executor. `directory` takes a file for a moment.
 */
export async function requireEmulation(
  tree: ReadableTree,
  program: PlannedProgram,
  directory: string,
  signal: AbortSignal,
  host: Platform = hostPlatform(),
): Promise<void> {
  if (program.platform.architecture === host.architecture) return;
  const head = await headOf(tree, program, signal);
  if (head === undefined) return;
  const architectures = architecturesOf(head);
  if (architectures === undefined || architectures.length === 0 || architectures.includes(host.architecture)) return;
  const [architecture = ""] = architectures;
  const what = `"${program.args[0]}" is a program for ${architecture}, and this machine is ${formatPlatform(host)}`;
  if (findEmulation(architecture, directory, host.architecture) === "missing")
    throw new BuildError("SANDBOX", `${what} without an emulator for it`, { hint: emulatorHint(architecture) });
  const handler = findHandler(head);
  if (handler === undefined || handler.isFixed || exists(tree, handler.interpreter)) return;
  throw new BuildError(
    "SANDBOX",
    `${what}: its emulator "${handler.interpreter}" (${handler.name}) is not in the image, and was registered without the flag F`,
    { hint: emulatorHint(architecture) },
  );
}

/** The first bytes of a step's program, or of the interpreter of its script; undefined when it is not to be found. */
async function headOf(
  tree: ReadableTree,
  { args, env, cwd }: PlannedProgram,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const name = args[0] ?? "";
  const path = name.includes("/") ? join(cwd, name) : inPath(tree, name, env, cwd);
  if (path === undefined) return undefined;
  const head = await readHead(tree, path, signal);
  const interpreter =
    head === undefined ? undefined : /^#![ \t]*([^ \t\n\r]+)/.exec(Buffer.from(head).toString("latin1"))?.[1];
  return interpreter === undefined ? head : await readHead(tree, interpreter, signal);
}

function inPath(tree: ReadableTree, name: string, env: readonly string[], cwd: string): string | undefined {
  const path = env.findLast((variable) => variable.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return path
    .split(":")
    .map((directory) => join(cwd, `${directory === "" ? "." : directory}/${name}`))
    .find((candidate) => exists(tree, candidate));
}

function join(cwd: string, path: string): string {
  return path.startsWith("/") ? path : `${cwd}/${path}`;
}

function exists(tree: ReadableTree, path: string): boolean {
  try {
    return resolvePath(tree, path, { followLast: true }).entry?.type === "file";
  } catch {
    return false; // a loop, or a file where a directory should be
  }
}

async function readHead(tree: ReadableTree, path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  if (!exists(tree, path)) return undefined;
  const { path: real } = resolvePath(tree, path, { followLast: true });
  const source = (await tree.sources([real], signal)).get(real);
  if (source === undefined) return undefined;
  if (source.kind === "bytes") return source.bytes.subarray(0, HEAD_BYTES);
  const head = Buffer.alloc(HEAD_BYTES);
  const file = openSync(fsPath(source.path), "r");
  try {
    const length = readSync(file, head, 0, head.length, 0);
    return length < ELF_HEAD_BYTES ? undefined : head.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

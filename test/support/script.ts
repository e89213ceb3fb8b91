// Runs a script test: a txtar file whose comment is a list of commands and whose files are what they work on. Each script
// has its own folder, store and HOME. The commands:
//
//   tsbuild ARGS…            the program itself
//   exec PROGRAM ARGS…       another program
//   ! COMMAND                it must fail
//   exit N COMMAND           it must end with this exit code
//   [CONDITION] COMMAND      only if: root, user, exec:PROGRAM; [!CONDITION] for the opposite
//   stdin FILE               what the next tsbuild or exec reads
//   stdout REGEXP, stderr REGEXP    what the last one wrote matches; `! stdout .` for nothing
//   cmp A B                  equal text; A may be stdout or stderr; in B, $WORK stands for the folder
//   image-text PATH          the image of an OCI layout (folder or tar) as text, on stdout, without its base's layers
//   image-config PATH    what the image says of itself (test/support/image-summary.ts), on stdout
//   layer-types PATH     the media type of each of its layers, on stdout
//   exists PATH…             and `! exists PATH…`
//   mkdir PATH…, rm PATH…, cp A B, chmod MODE PATH, symlink TARGET PATH, env NAME=VALUE, cd PATH
//   skip REASON…             the rest is not for this machine
//
// A program that is to start tsbuild itself finds it as `"$NODE" "$TSBUILD"`. `#` begins a comment. Words are as in a shell: '…', "…" and $NAME of the environment outside of '…'.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import process from "node:process";

import { COMPILE_CACHE } from "./compile-cache.ts";
import { formatConfig, formatLayerTypes } from "./image-summary.ts";
import { formatLayers, type LayerText, readImageText } from "./image-text.ts";
import { splitWords } from "./words.ts";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");
const COMMAND_TIMEOUT_MS = 120_000;

/** Thrown by `skip`. */
export class SkipScript extends Error {}

export interface ScriptOptions {
  /** An empty folder, the script's working directory and $WORK. */
  readonly folder: string;
  /** What TSBUILD_ROOT is set to. */
  readonly storeRoot: string;
  /** Layers that image-text leaves out. */
  readonly base: readonly LayerText[];
}

/** Runs a script's commands in order. Throws, with the line's number, at the first that does not do what it must. */
export async function runScript(script: string, options: ScriptOptions): Promise<void> {
  const state = new Script(options);
  for (const [at, line] of script.split("\n").entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    try {
      await state.run(text);
    } catch (error) {
      if (error instanceof SkipScript) throw error;
      throw new Error(
        `line ${at + 1}: ${text}\n${error instanceof Error ? error.message : String(error)}\n${state.output()}`,
        {
          cause: error,
        },
      );
    }
  }
}

class Script {
  readonly #options: ScriptOptions;
  readonly #environment: Record<string, string>;
  #folder: string;
  #stdin = "";
  #stdout = "";
  #stderr = "";
  #exitCode = 0;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#folder = options.folder;
    const home = path.join(options.storeRoot, "../home");
    fs.mkdirSync(home, { recursive: true });
    this.#environment = {
      ...COMPILE_CACHE,
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: home,
      WORK: options.folder,
      NODE: process.execPath,
      TSBUILD,
      TSBUILD_ROOT: options.storeRoot,
    };
  }

  output(): string {
    return `exit code ${this.#exitCode}\n--- stdout ---\n${this.#stdout}\n--- stderr ---\n${this.#stderr}`;
  }

  async run(text: string): Promise<void> {
    const condition = /^\[(!?)([^\]]+)\]\s+(.*)$/.exec(text);
    if (condition !== null) {
      const [, not, name = "", rest = ""] = condition;
      if (isTrue(name) === (not === "")) await this.run(rest);
      return;
    }
    const [first = "", ...words] = splitWords(text, this.#environment);
    if (first === "!") return await this.#expect(words, (ok) => !ok, "failure");
    if (first === "exit") return await this.#expectExit(Number(words[0]), words.slice(1));
    await this.#expect([first, ...words], (ok) => ok, "success");
  }

  async #expect(words: readonly string[], wanted: (ok: boolean) => boolean, what: string): Promise<void> {
    assert.ok(wanted(await this.#do(words)), `expected ${what}`);
  }

  async #expectExit(exitCode: number, words: readonly string[]): Promise<void> {
    await this.#do(words);
    assert.equal(this.#exitCode, exitCode, "exit code");
  }

  /** Does one command; false is a failure that `!` may want. */
  async #do([command = "", ...args]: readonly string[]): Promise<boolean> {
    const [first = "", second = ""] = args;
    switch (command) {
      case "tsbuild":
        return this.#spawn(process.execPath, ["--", TSBUILD, ...args]);
      case "exec":
        return this.#spawn(first, args.slice(1));
      case "stdin":
        this.#stdin = fs.readFileSync(this.#path(first), "utf8");
        return true;
      case "stdout":
        return new RegExp(first, "m").test(this.#stdout);
      case "stderr":
        return new RegExp(first, "m").test(this.#stderr);
      case "cmp":
        assert.equal(this.#text(first), this.#text(second).replaceAll("$WORK", this.#options.folder));
        return true;
      case "image-text":
        this.#stdout = formatLayers(await readImageText(this.#path(first)), this.#options.base);
        return true;
      case "image-config":
        this.#stdout = formatConfig(this.#path(first));
        return true;
      case "layer-types":
        this.#stdout = formatLayerTypes(this.#path(first));
        return true;
      case "exists":
        return args.every((name) => fs.lstatSync(this.#path(name), { throwIfNoEntry: false }) !== undefined);
      case "skip":
        throw new SkipScript(args.join(" "));
      default:
        this.#prepare(command, args);
        return true;
    }
  }

  /** Commands that change files or the state, and cannot fail on purpose. */
  #prepare(command: string, args: readonly string[]): void {
    const [first = "", second = ""] = args;
    switch (command) {
      case "mkdir":
        for (const name of args) fs.mkdirSync(this.#path(name), { recursive: true });
        return;
      case "rm":
        for (const name of args) fs.rmSync(this.#path(name), { recursive: true });
        return;
      case "cp":
        fs.cpSync(this.#path(first), this.#path(second), { recursive: true, verbatimSymlinks: true });
        return;
      case "chmod":
        fs.chmodSync(this.#path(second), Number.parseInt(first, 8));
        return;
      case "symlink":
        fs.symlinkSync(first, this.#path(second));
        return;
      case "env":
        this.#environment[first.replace(/=.*/s, "")] = first.replace(/^[^=]*=/, "");
        return;
      case "cd":
        this.#folder = this.#path(first);
        return;
      default:
        throw new Error(`"${command}" is not a command of script tests`);
    }
  }

  #spawn(program: string, args: readonly string[]): boolean {
    const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
      cwd: this.#folder,
      env: this.#environment,
      input: this.#stdin,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
      timeout: COMMAND_TIMEOUT_MS,
    });
    this.#stdin = "";
    this.#stdout = stdout ?? "";
    this.#stderr = stderr ?? "";
    this.#exitCode = status ?? -1;
    if (error !== undefined) throw error;
    assert.equal(signal, null, "ended by a signal");
    return status === 0;
  }

  #text(name: string): string {
    if (name === "stdout") return this.#stdout;
    if (name === "stderr") return this.#stderr;
    return fs.readFileSync(this.#path(name), "utf8");
  }

  #path(name: string): string {
    return path.resolve(this.#folder, name);
  }
}

function isTrue(condition: string): boolean {
  if (condition === "root") return process.getuid?.() === 0;
  if (condition === "user") return process.getuid?.() !== 0;
  const program = /^exec:(.+)$/.exec(condition)?.[1];
  if (program !== undefined) return spawnSync(program, ["--version"]).error === undefined;
  throw new Error(`"${condition}" is not a condition`);
}

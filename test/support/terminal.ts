// The program on a terminal of its own, as a person would have it: what is typed, what is shown, its size.

import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

import { COMPILE_CACHE } from "./compile-cache.ts";

const PATIENCE_MS = 60_000;

/** Why there can be no terminal here; undefined when there can. */
export async function whyNoTerminal(): Promise<string | undefined> {
  try {
    await import("node-pty");
    return undefined;
  } catch {
    return "node-pty did not compile here";
  }
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly columns?: number;
  readonly rows?: number;
}

/** A program on a pseudo terminal. */
export class Terminal {
  readonly #pty: import("node-pty").IPty;
  readonly ended: Promise<{ readonly code: number; readonly signal: number | undefined }>;
  #shown = "";
  #isOver = false;

  private constructor(pty: import("node-pty").IPty) {
    this.#pty = pty;
    pty.onData((text) => (this.#shown += text));
    this.ended = new Promise((resolve) => {
      pty.onExit(({ exitCode, signal }) => {
        this.#isOver = true;
        resolve({ code: exitCode, signal: signal === 0 ? undefined : signal });
      });
    });
  }

  static async open(command: readonly string[], options: TerminalOptions): Promise<Terminal> {
    const { spawn } = await import("node-pty");
    const [file = "", ...args] = command;
    const { columns = 80, rows = 24, cwd } = options;
    const env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      TERM: "xterm-256color",
      ...COMPILE_CACHE,
      ...options.env,
    };
    return new Terminal(spawn(file, args, { cols: columns, rows, cwd, env }));
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Everything that was shown so far, without what moves the cursor, with newlines as they are elsewhere. */
  get shown(): string {
    return this.#shown.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]|\r/g, "");
  }

  /** Everything that was shown so far, to the byte. */
  get bytes(): string {
    return this.#shown;
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
  }

  /** Waits until what is shown matches; fails with it when the program ends before, or after a minute. Gives what matched. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(this.shown);
      if (match !== null) return match;
      assert.ok(!this.#isOver, `it ended before ${pattern} was shown:\n${this.shown}`);
      assert.ok(performance.now() < deadline, `${pattern} was not shown within a minute:\n${this.shown}`);
      await sleep(10);
    }
  }

  /** Types a line at a prompt and waits for what it shows, which the line itself must not match. */
  async line(text: string, shows: RegExp): Promise<RegExpExecArray> {
    this.#shown = "";
    this.type(`${text}\r`);
    return await this.until(shows);
  }

  kill(signal: NodeJS.Signals): void {
    this.#pty.kill(signal);
  }
}

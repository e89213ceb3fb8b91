// A browser without a window, driven over its debugging pipe (Chrome DevTools Protocol, messages ended by NUL).

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { findProgram } from "../../builder/executor/find-program.ts";

const NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/** Why there is no browser here; undefined when there is one. */
export function whyNoBrowser(): string | undefined {
  return findBrowser() === undefined ? "needs chromium (Debian: chromium-headless-shell)" : undefined;
}

function findBrowser(): string | undefined {
  for (const name of NAMES) {
    const found = findProgram(name, (process.env["PATH"] ?? "").split(":"));
    if (found !== undefined) return found;
  }
  return undefined;
}

type Answer = Readonly<Record<string, unknown>>;

/** One page of a browser of its own. */
export class Page {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  readonly #loaded: (() => void)[] = [];
  #session: string | undefined;
  #messages = 0;
  #text = "";
  /** Addresses that the page asked for, its own first. */
  readonly requests: string[] = [];

  /** A page as wide as a phone, or as said. */
  static async open(url: string, width = 390): Promise<Page> {
    const page = new Page();
    const { targetId } = await page.#call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.#call("Target.attachToTarget", { targetId, flatten: true });
    page.#session = String(sessionId);
    await page.#call("Page.enable");
    await page.#call("Network.enable");
    await page.#call("Emulation.setDeviceMetricsOverride", { width, height: 844, deviceScaleFactor: 2, mobile: true });
    const loaded = new Promise<void>((resolve) => void page.#loaded.push(resolve));
    await page.#call("Page.navigate", { url });
    await loaded;
    return page;
  }

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "tsbuild-browser-"));
    const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"];
    this.#child = spawn(findBrowser() ?? assert.fail(whyNoBrowser()), [...args, `--user-data-dir=${this.#folder}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      detached: true,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.#folder },
    });
    const output = this.#child.stdio[4] as Readable; // a pipe, as `stdio` says
    output.setEncoding("utf8").on("data", (text: string) => this.#take(text));
    this.#child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser ended"));
    });
  }

  /** What an expression gives in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", { expression, returnByValue: true });
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => void this.#child.once("exit", resolve));
    // With its helpers, which would hold the pipes open.
    process.kill(-(this.#child.pid ?? assert.fail("no browser")), "SIGKILL");
    await ended;
    for (const pipe of this.#child.stdio) pipe?.destroy();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #call(method: string, params: Answer = {}): Promise<Answer> {
    const id = ++this.#messages;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    const answer = new Promise<Answer>((resolve, reject) => void this.#waiting.set(id, { resolve, reject }));
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return await answer;
  }

  #take(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop() ?? "";
    for (const message of messages) {
      const { id, method, params, result, error } = JSON.parse(message) as {
        id?: number;
        method?: string;
        params?: { request?: { url?: string } };
        result?: Answer;
        error?: { message: string };
      };
      if (method === "Network.requestWillBeSent") this.requests.push(params?.request?.url ?? "");
      if (method === "Page.loadEventFired") for (const loaded of this.#loaded.splice(0)) loaded();
      const waiting = this.#waiting.get(id ?? 0);
      if (waiting === undefined) continue;
      this.#waiting.delete(id ?? 0);
      if (error === undefined) waiting.resolve(result ?? {});
      else waiting.reject(new Error(error.message));
    }
  }
}

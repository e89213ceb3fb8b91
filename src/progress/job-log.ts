// Events of a build as the log of a job: a line for each step that begins, fails or warns, in the forms that readers of
// such logs know (logrus), and the output of RUN as it is.

import type { BuildError } from "../../builder/core/errors.ts";
import type { BuildEvent, EventSink } from "../../builder/core/events.ts";
import { plainLines, plainText } from "./terminal-text.ts";
import { warningText } from "./warning-text.ts";

export const LOG_FORMATS = ["text", "color", "json"] as const;
export const LOG_LEVELS = ["panic", "fatal", "error", "warn", "info", "debug", "trace"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface JobLogOptions {
  readonly format: LogFormat;
  /** Lines of lesser weight are not written. */
  readonly level: LogLevel;
  readonly timestamp: boolean;
  readonly now: () => number;
  /** Takes the log. */
  readonly write: (text: string) => void;
  /** Takes what RUN steps print on their streams. */
  readonly output: (stream: 1 | 2, data: Uint8Array) => void;
}

const COLOURS: Readonly<Record<LogLevel, number>> = {
  panic: 31,
  fatal: 31,
  error: 31,
  warn: 33,
  info: 36,
  debug: 37,
  trace: 37,
};

/** What a job failed with, where, and what to do: in one line, since the last one is what a pod's status shows. */
export function failureText({ location, message, hint }: BuildError): string {
  const place = location === undefined ? "" : `${location.file}:${location.range.startLine}: `;
  const lines = plainLines(`${place}${message.trim()}${hint === undefined ? "" : ` (${hint})`}`);
  return lines.replace(/:\s*\n\s*/g, ": ").replace(/\s*\n\s*/g, "; ");
}

/** The log of one job. */
export class JobLog {
  readonly #options: JobLogOptions;
  readonly #began: number;
  readonly #told = new Set<string>();

  constructor(options: JobLogOptions) {
    this.#options = options;
    this.#began = options.now();
  }

  /** Takes the events of the build. */
  readonly sink: EventSink = (event) => {
    this.#take(event);
  };

  /** One line of the log, unless it weighs too little. */
  say(level: LogLevel, message: string): void {
    const { write, format } = this.#options;
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.#options.level)) return;
    const text = plainLines(message);
    if (format === "json") write(`${JSON.stringify(this.#fields(level, text))}\n`);
    else for (const line of text.split("\n")) write(this.#line(level, line));
  }

  /** What a job failed with: all that there is to know in one entry, which is its last. */
  fail(error: BuildError): void {
    this.say("fatal", failureText(error));
  }

  #take(event: BuildEvent): void {
    switch (event.kind) {
      case "vertex":
        if (event.started !== undefined && this.#isNews(`start ${event.vertex}`)) {
          const name = plainText(event.name);
          this.say(name.startsWith("[internal]") ? "debug" : "info", event.cached === true ? `${name} (cached)` : name);
        }
        if (event.error !== undefined && this.#isNews(`error ${event.vertex}`))
          this.say("error", `${plainText(event.name)}: ${event.error}`);
        break;
      case "status":
        if (event.completed !== undefined && this.#isNews(`${event.vertex} ${event.id}`))
          this.say("debug", plainText(event.name === "" ? event.id : event.name));
        break;
      case "log":
        this.#options.output(event.stream, event.data);
        break;
      case "warning":
        this.say("warn", warningText(event));
    }
  }

  #isNews(key: string): boolean {
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    return true;
  }

  #fields(level: LogLevel, msg: string): object {
    return { level, msg, ...(this.#options.timestamp ? { time: this.#time() } : {}) };
  }

  #line(level: LogLevel, text: string): string {
    const { format, timestamp, now } = this.#options;
    const name = level === "warn" ? "warning" : level;
    if (format === "text") return `${timestamp ? `time="${this.#time()}" ` : ""}level=${name} msg=${quoted(text)}\n`;
    const stamp = timestamp ? this.#time() : String(Math.floor((now() - this.#began) / 1000)).padStart(4, "0");
    return `\x1b[${COLOURS[level]}m${name.toUpperCase().slice(0, 4)}\x1b[0m[${stamp}] ${text}\n`;
  }

  #time(): string {
    return new Date(this.#options.now()).toISOString().replace(/\.\d+Z$/, "Z");
  }
}

/** As logrus quotes: only what is not a plain word. */
function quoted(text: string): string {
  return /^[\w.\-/@^+]+$/.test(text) ? text : JSON.stringify(text);
}

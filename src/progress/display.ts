// The display of one build: takes its events and writes a view of them to a stream, until it is closed.

import type { BuildError, SourceLocation } from "../../builder/core/errors.ts";
import type { EventSink } from "../../builder/core/events.ts";
import { errorBlock, warningList } from "./summary.ts";
import { TraceFold } from "./trace.ts";

export const PROGRESS_MODES = ["auto", "plain", "tty", "rawjson", "quiet", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Where a view goes; a terminal has a size. */
export interface DisplayStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

export interface DisplayOptions {
  readonly mode: ProgressMode;
  readonly stream: DisplayStream;
  /** As `coloursAsked` says. */
  readonly colours: string | undefined;
  readonly debug: boolean;
  /** Lines of output that the live view shows below a running step; 6 if not said, as BuildKit. */
  readonly logLines?: number | undefined;
  readonly now: () => number;
  /** Lines around a place in a Dockerfile. */
  readonly excerpt: (location: SourceLocation) => string;
}

export interface Display {
  readonly sink: EventSink;
  /** Writes what is left and gives the terminal back. `error` is what the build failed with. A second call does nothing. */
  close(error?: BuildError): void;
  /** Whether the error has been told in full, so that nobody else need. */
  readonly tellsErrors: boolean;
}

const ERROR_LINES_PLAIN = 10;
const ERROR_LINES_TTY = 100;
const TURN_MS = 200;
const FRAME_MS = 100;
const LOG_LINES = 6;

/** The colours that an environment asks for, as BUILDKIT_COLORS writes them; undefined: none (no-color.org). */
export function coloursAsked(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  return environment["NO_COLOR"] ? undefined : (environment["BUILDKIT_COLORS"] ?? "");
}

/** Opens a display. `auto` is a live view on a terminal, plain lines elsewhere. */
export async function openDisplay(options: DisplayOptions): Promise<Display> {
  const display = await open(options);
  let isOpen = true;
  return {
    ...display,
    close: (error) => {
      if (isOpen) display.close(error);
      isOpen = false;
    },
  };
}

async function open(options: DisplayOptions): Promise<Display> {
  switch (options.mode) {
    case "none":
      return { sink: () => {}, close: () => {}, tellsErrors: false };
    case "quiet":
      return quietDisplay(options);
    case "rawjson":
      return await rawJsonDisplay(options);
    case "plain":
      return await plainDisplay(options);
    case "tty":
      return await ttyDisplay(options);
    case "auto":
      return options.stream.isTTY === true ? await ttyDisplay(options) : await plainDisplay(options);
  }
}

/** Says nothing, unless a step fails: then what that one wrote. */
function quietDisplay({ stream }: DisplayOptions): Display {
  const trace = new TraceFold();
  return {
    sink: (event) => void trace.take(event),
    close: (error) => void (error && stream.write(errorBlock(trace, ERROR_LINES_TTY))),
    tellsErrors: false,
  };
}

async function rawJsonDisplay({ stream, now }: DisplayOptions): Promise<Display> {
  const { rawJsonError, rawJsonLine } = await import("./rawjson.ts");
  return {
    sink: (event) => void stream.write(rawJsonLine(event, now())),
    close: (error) => void (error && stream.write(rawJsonError(error))),
    tellsErrors: true,
  };
}

async function plainDisplay({ stream, now, debug, excerpt }: DisplayOptions): Promise<Display> {
  const { PlainText } = await import("./plain.ts");
  const view = new PlainText();
  const write = (text: string): void => {
    if (text !== "") stream.write(text);
  };
  const timer = setInterval(() => {
    if (view.isWaiting) write(view.turn(now()));
  }, TURN_MS);
  timer.unref();
  return {
    sink: (event) => write(view.push(event, now())),
    close: (error) => {
      clearInterval(timer);
      write(view.end(now()));
      if (error !== undefined) write(errorBlock(view.trace, ERROR_LINES_PLAIN));
      write(warningList(view.trace.warnings, debug, excerpt));
    },
    tellsErrors: false,
  };
}

async function ttyDisplay({
  stream,
  now,
  colours,
  debug,
  excerpt,
  logLines = LOG_LINES,
}: DisplayOptions): Promise<Display> {
  const [{ renderTty }, { Repainter }, { paletteOf }] = await Promise.all([
    import("./tty.ts"),
    import("./tty-screen.ts"),
    import("./colours.ts"),
  ]);
  const trace = new TraceFold();
  const screen = new Repainter(colours === undefined ? undefined : paletteOf(colours));
  const paint = (final: boolean): void => {
    const size = { columns: stream.columns || 80, rows: stream.rows || 24 };
    stream.write(screen.paint(renderTty(trace, { size, now: now(), final, logLines }), size.columns));
  };
  let isDirty = false;
  const repaint = (): void => paint(false);
  // Elapsed times move even when nothing happens, so the view is painted at a steady pace while steps run.
  const timer = setInterval(() => {
    if (isDirty || trace.steps.some((step) => step.completed === undefined)) paint(false);
    isDirty = false;
  }, FRAME_MS);
  timer.unref();
  const restore = (): void => void stream.write(screen.close());
  stream.on("resize", repaint);
  process.once("exit", restore);
  return {
    sink: (event) => {
      trace.take(event);
      isDirty = true;
    },
    close: (error) => {
      clearInterval(timer);
      stream.off("resize", repaint);
      process.off("exit", restore);
      if (trace.steps.length > 0) paint(true);
      restore();
      if (error !== undefined) stream.write(errorBlock(trace, ERROR_LINES_TTY));
      const warnings = warningList(trace.warnings, debug, excerpt);
      if (warnings !== "") stream.write(warnings);
    },
    tellsErrors: false,
  };
}

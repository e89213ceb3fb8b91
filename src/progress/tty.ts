// The live view: the state of a build as the lines of a screen. Pure; the screen itself is tty-screen.ts.

import type { Paint, Palette } from "./colours.ts";
import { colouredText, columns, cut, lastOverwrite, plainText } from "./terminal-text.ts";
import type { Step, Trace } from "./trace.ts";
import { isCancelled } from "./trace.ts";
import { formatPart, formatSeconds } from "./units.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface TtyOptions {
  readonly size: Size;
  readonly now: number;
  /** Lines of output shown below a running step. */
  readonly logLines: number;
  /** The last picture, which stays: every step, however many, and no output. */
  readonly final: boolean;
}

/** One line: its text without escape sequences, and how it is painted. */
export interface ScreenLine {
  readonly text: string;
  readonly paint: "none" | Paint;
  /** The same text with the colours of the program that wrote it. */
  readonly coloured?: string;
}

/** Columns that a name needs to say anything beside a time. */
const NARROWEST = 14;

/** The picture of a build, no line wider than the screen, none beyond its last row. */
export function renderTty(trace: Trace, options: TtyOptions): ScreenLine[] {
  const { size, now, final } = options;
  // One column is left free: a line that fills the last one makes some terminals wrap.
  const width = Math.max(1, size.columns - 1);
  const completed = trace.steps.filter((step) => step.completed !== undefined).length;
  const isFinished = final && completed === trace.total && trace.total > 0;
  const elapsed = trace.started === undefined ? 0 : now - trace.started;
  const title = `[+] Building ${formatSeconds(elapsed)} (${completed}/${trace.total})${isFinished ? " FINISHED" : ""}`;
  const header: ScreenLine = { text: cut(title, width), paint: "none" };
  const blocks = trace.steps.map((step) => stepBlock(step, width, now, final ? 0 : options.logLines));
  if (final) return [header, ...blocks.flat()];
  return [header, ...fit(trace.steps, blocks, Math.max(0, size.rows - 2))];
}

/** A line as it goes to the terminal, without its line feed. */
export function paintLine(line: ScreenLine, palette: Palette | undefined): string {
  if (palette === undefined || line.paint === "none") return line.text;
  return `${palette[line.paint]}${line.coloured ?? line.text}\x1b[0m`;
}

function stepBlock(step: Step, width: number, now: number, logLines: number): ScreenLine[] {
  const isOver = step.completed !== undefined;
  const cancelled = isCancelled(step);
  const word = step.error !== undefined ? (cancelled ? "CANCELED " : "ERROR ") : step.cached ? "CACHED " : "";
  const took = (step.completed ?? now) - step.started;
  const paint = !isOver ? "none" : cancelled ? "cancelled" : step.error !== undefined ? "error" : "done";
  const lines: ScreenLine[] = [
    { text: spread(` => ${word}${plainText(step.name)}`, formatSeconds(took < 50 ? 0 : took), width), paint },
  ];
  if (isOver) return lines;
  for (const status of step.statuses.values()) {
    if (status.completed !== undefined) continue;
    const part = formatPart(status.name || status.id, status.current, status.total);
    const time = status.started === undefined ? "" : formatSeconds(now - status.started);
    lines.push({ text: spread(` => => ${plainText(part)}`, time, width), paint: "none" });
  }
  const output = logLines === 0 ? [] : [...step.lines.slice(-logLines), ...step.partial()].slice(-logLines);
  for (const { text } of output) {
    const shown = lastOverwrite(text);
    const plain = cut(` => => # ${plainText(shown)}`, width);
    // Colours only where nothing had to be cut: a cut could fall into a sequence.
    const whole = plain.endsWith("…") ? undefined : ` => => # ${colouredText(shown)}`;
    lines.push({ text: plain, paint: "faint", ...(whole === undefined ? {} : { coloured: whole }) });
  }
  return lines;
}

/** What fits: running steps before finished ones, their first lines before their output, the newest before the older. */
function fit(steps: readonly Step[], blocks: readonly (readonly ScreenLine[])[], rows: number): ScreenLine[] {
  const lengths = blocks.map(() => 0);
  let free = rows;
  const grant = (wanted: (step: Step) => boolean, upTo: (block: readonly ScreenLine[]) => number): void => {
    for (let at = steps.length - 1; at >= 0 && free > 0; at--) {
      const step = steps[at];
      const block = blocks[at] ?? [];
      if (step === undefined || !wanted(step)) continue;
      const more = Math.min(free, Math.max(0, upTo(block) - (lengths[at] ?? 0)));
      lengths[at] = (lengths[at] ?? 0) + more;
      free -= more;
    }
  };
  const isRunning = (step: Step): boolean => step.completed === undefined;
  grant(isRunning, () => 1);
  grant(
    (step) => step.error !== undefined,
    () => 1,
  );
  grant(isRunning, (block) => block.length);
  grant(
    (step) => !isRunning(step),
    () => 1,
  );
  return blocks.flatMap((block, at) => head(block, lengths[at] ?? 0));
}

/** The first line of a block, and the last ones of what follows it. */
function head(block: readonly ScreenLine[], length: number): readonly ScreenLine[] {
  if (length >= block.length) return block;
  return length === 0 ? [] : [...block.slice(0, 1), ...block.slice(block.length - length + 1)];
}

/** Text at the left, text at the right, exactly as wide as asked; where little room is, only the left one. */
function spread(left: string, right: string, width: number): string {
  const room = width - columns(right) - 1;
  if (room < NARROWEST) return cut(left, width);
  const fitting = cut(left, room);
  return `${fitting}${" ".repeat(Math.max(0, room - columns(fitting)))} ${right}`;
}

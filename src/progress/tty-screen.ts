// A terminal whose last lines are painted over and over. The cursor stands below the picture between two paintings.

import type { Palette } from "./colours.ts";
import type { ScreenLine } from "./tty.ts";
import { paintLine } from "./tty.ts";
import { columns } from "./terminal-text.ts";

const HIDE = "\x1b[?25l";
const SHOW = "\x1b[?25h";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Turns pictures into what must be written to replace the picture before. Pure but for what it remembers of that one. */
export class Repainter {
  readonly #palette: Palette | undefined;
  /** Columns of the lines on the screen: a narrower window wraps them. */
  #painted: readonly number[] = [];

  /** Without a palette nothing is painted. */
  constructor(palette: Palette | undefined) {
    this.#palette = palette;
  }

  /** The bytes that replace the last picture by this one, on a terminal of so many columns. */
  paint(lines: readonly ScreenLine[], terminalColumns: number): string {
    const rows = this.#painted.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / terminalColumns)), 0);
    const up = rows === 0 ? "" : `\x1b[${rows}A`;
    const body = lines.map((line) => `${paintLine(line, this.#palette)}${CLEAR_LINE_END}\n`).join("");
    this.#painted = lines.map((line) => columns(line.text));
    return `${HIDE}${up}\r${body}${CLEAR_BELOW}`;
  }

  /** What gives the terminal back. */
  close(): string {
    return SHOW;
  }
}

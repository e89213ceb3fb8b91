// The terminal of a walk through layers: its own screen, keys as they are pressed, and everything as it was before when
// it ends, however that is.

import type { ImageUsage } from "../../../builder/layer-usage.ts";
import type { ScreenSize } from "./layers-screen.ts";
import { paneRows, renderWalk } from "./layers-screen.ts";
import type { Key } from "./layers-walk.ts";
import { press, startWalk } from "./layers-walk.ts";

export interface WalkOptions {
  readonly colours: boolean;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Shows the layers until `q` is pressed or the input ends. Throws the signal's reason when it is aborted. */
export async function walkLayers(name: string, usage: ImageUsage, { colours, signal }: WalkOptions): Promise<void> {
  const { stdin, stdout } = process;
  let walk = startWalk(name, usage);
  const size = (): ScreenSize => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
  const paint = (): void => void stdout.write(frame(renderWalk(walk, size(), colours)));
  let isEntered = false;
  // Called once more when the process goes on after a stop: the shell has set the terminal its own way.
  const enter = (): void => {
    stdin.setRawMode(true);
    if (!isEntered) stdout.write(ENTER);
    isEntered = true;
    paint();
  };
  const leave = (): void => {
    if (isEntered) stdout.write(LEAVE);
    isEntered = false;
    stdin.setRawMode(false);
  };
  const ended = Promise.withResolvers<void>();
  let resume: NodeJS.Timeout | undefined;
  const onKeys = (data: Buffer): void => {
    for (const key of readKeys(data.toString("latin1"))) {
      if (key === "quit") ended.resolve();
      else if (key === "interrupt") process.kill(process.pid, "SIGINT");
      else if (key === "suspend") {
        leave();
        process.kill(process.pid, "SIGTSTP");
        // Without a shell to come back to (an orphaned process group) the kernel does not stop it.
        resume = setTimeout(enter, NOT_STOPPED_MS);
        return;
      } else walk = press(walk, key, paneRows(size()));
    }
    paint();
  };
  const onAbort = (): void => ended.reject(signal.reason);
  // A terminal may outlive it.
  const onHangUp = (): void => {
    leave();
    process.kill(process.pid, "SIGHUP");
  };

  stdin.on("data", onKeys).once("end", ended.resolve);
  stdout.on("resize", paint);
  process.on("SIGCONT", enter).once("exit", leave).once("SIGHUP", onHangUp);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    enter();
    signal.throwIfAborted();
    await ended.promise;
  } finally {
    clearTimeout(resume);
    signal.removeEventListener("abort", onAbort);
    process.off("SIGCONT", enter).off("exit", leave).off("SIGHUP", onHangUp);
    stdout.off("resize", paint);
    stdin.off("data", onKeys).off("end", ended.resolve);
    leave();
    stdin.pause();
  }
}

const NOT_STOPPED_MS = 200;

// The alternate screen, without a cursor; autowrap off, so that a full last row does not scroll.
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/** Every row at its place; what is right of it is cleared. */
function frame(lines: readonly string[]): string {
  return lines.map((line, at) => `\x1b[${at + 1};1H${line}\x1b[K`).join("");
}

type Press = Key | "quit" | "interrupt" | "suspend";

// Sequences of terminals in normal and in application mode (ECMA-48; xterm's ctlseqs), and vi's letters.
const KEYS: Readonly<Record<string, Press>> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  k: "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  j: "down",
  "\x1b[C": "right",
  "\x1bOC": "right",
  l: "right",
  "\x1b[D": "left",
  "\x1bOD": "left",
  h: "left",
  "\x1b[5~": "page-up",
  "\x1b[6~": "page-down",
  "\x1b[H": "home",
  "\x1bOH": "home",
  "\x1b[1~": "home",
  g: "home",
  "\x1b[F": "end",
  "\x1bOF": "end",
  "\x1b[4~": "end",
  G: "end",
  "\t": "tab",
  " ": "toggle",
  "\r": "toggle",
  a: "show",
  q: "quit",
  "\x03": "interrupt",
  "\x1a": "suspend",
};

/** The keys in what a terminal sent; others are passed over. */
function readKeys(text: string): Press[] {
  const found: Press[] = [];
  for (const [sequence] of text.matchAll(/\x1b[[O][0-9;]*[A-Za-z~]|[\s\S]/g)) {
    const key = KEYS[sequence];
    if (key !== undefined) found.push(key);
  }
  return found;
}

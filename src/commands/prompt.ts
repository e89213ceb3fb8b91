// Questions to the person at the terminal, one line each.

import { BuildError } from "../../builder/core/errors.ts";

/** The terminal that is asked. */
export interface PromptStreams {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks and reads a line; with `hidden` what is typed is not shown. Throws `USAGE` when there is no terminal or no line
 * comes, `CANCELLED` on Ctrl-C.
 */
export async function ask(
  question: string,
  { input, output }: PromptStreams,
  { hidden = false, signal }: { readonly hidden?: boolean; readonly signal: AbortSignal },
): Promise<string> {
  if (!input.isTTY) throw new BuildError("USAGE", "cannot ask: standard input is not a terminal");
  // The terminal's own line editing, with echo, or none of both: Node knows no third way. The question comes after it,
  // or the terminal would show what is typed at once.
  input.setRawMode(hidden);
  output.write(question);
  try {
    return await readLine(input, hidden, signal);
  } finally {
    input.setRawMode(false);
    input.pause();
    if (hidden) output.write("\n");
  }
}

function readLine(input: NodeJS.ReadStream, isRaw: boolean, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = "";
    const end = (settle: () => void): void => {
      input.off("data", onData);
      input.off("end", onEnd);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    const onEnd = (): void => end(() => reject(new BuildError("USAGE", "no answer came: the input has ended")));
    const onData = (chunk: string): void => {
      for (const key of chunk) {
        if (key === "\r" || key === "\n") return end(() => resolve(line));
        if (!isRaw) line += key;
        else if (key === "\x03") return end(() => reject(new BuildError("CANCELLED", "stopped by Ctrl-C")));
        else if (key === "\x04") return line === "" ? onEnd() : end(() => resolve(line));
        else if (key === "\x7f" || key === "\b") line = [...line].slice(0, -1).join("");
        else if (key === "\x15") line = "";
        else if (key >= " ") line += key;
      }
    };
    input.setEncoding("utf8");
    input.on("data", onData);
    input.on("end", onEnd);
    signal.addEventListener("abort", onAbort);
    input.resume();
  });
}

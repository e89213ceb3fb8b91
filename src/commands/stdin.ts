// Standard input as a build input. It can be read twice: once now, and once more by the same program inside a user
// namespace, where a build may turn out to belong only after its context was read.

import { closeSync, createReadStream, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import { writeAll } from "../../builder/core/system/write-all.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Where the program that runs once more finds what was read of standard input. */
const COPY_VARIABLE = "TSBUILD_STDIN";

/** Standard input as a stream, for one reader; `repeatable` when the program may be run once more. Throws `USAGE` on a terminal. */
export function openStdin(what: string, repeatable: boolean): () => AsyncIterable<Uint8Array> {
  const copy = process.env[COPY_VARIABLE];
  if (copy !== undefined) return () => readCopy(copy);
  if (process.stdin.isTTY) {
    throw new BuildError("USAGE", `refusing to read ${what} from a terminal`, {
      hint: "pipe it in, as in: tsbuild build - < context.tar",
    });
  }
  return () => readOriginal(repeatable);
}

async function* readOriginal(repeatable: boolean): AsyncIterable<Uint8Array> {
  if (fstatSync(0).isFile()) {
    // Read beside the descriptor's own position, which stays for the next reader.
    yield* chunks(createReadStream("", { fd: 0, start: positionOf(0), autoClose: false, highWaterMark: CHUNK_BYTES }));
  } else if (repeatable) {
    yield* copying(process.stdin);
  } else {
    yield* chunks(process.stdin);
  }
}

/** Passes the input on and keeps a copy, which this process removes at its end unless another one takes its place. */
async function* copying(input: AsyncIterable<unknown>): AsyncIterable<Uint8Array> {
  const folder = makeFolder();
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "stdin");
  const file = openSync(path, "wx", 0o600);
  try {
    for await (const chunk of chunks(input)) {
      writeAll(file, chunk);
      yield chunk;
    }
  } finally {
    closeSync(file);
  }
  process.env[COPY_VARIABLE] = path;
}

function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "tsbuild-stdin-"));
  } catch (cause) {
    throw new BuildError("CONTEXT", `cannot keep a copy of standard input in "${tmpdir()}": ${String(cause)}`, {
      cause,
      hint: "point TMPDIR at a folder that can be written",
    });
  }
}

async function* readCopy(path: string): AsyncIterable<Uint8Array> {
  const file = openSync(path, "r");
  rmSync(dirname(path), { recursive: true, force: true });
  yield* chunks(createReadStream("", { fd: file, highWaterMark: CHUNK_BYTES }));
}

function positionOf(fd: number): number {
  return Number(/^pos:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? 0);
}

async function* chunks(stream: AsyncIterable<unknown>): AsyncIterable<Uint8Array> {
  for await (const chunk of stream) {
    if (chunk instanceof Uint8Array) yield chunk;
  }
}

// File names on Linux are bytes, not text. Everywhere below the doors a name is a
// byte path: a string with one UTF-16 unit (0-255) a byte, as Node's "latin1"
// encoding reads it. It loses nothing, compares in byte order, and equals the
// usual string for ASCII. Text becomes a byte path in `bytePath`, and a byte
// path becomes text only for people (`displayPath`).

/** A file name, one character (0-255) a byte. Never mix with ordinary text: convert. */
export type BytePath = string;

const NON_ASCII = /[^\x00-\x7f]/;

/** Text (a Dockerfile's, a flag's) as a byte path: its UTF-8 bytes. */
export function bytePath(text: string): BytePath {
  return NON_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** A byte path as text for people and JSON; bytes that are not UTF-8 become U+FFFD. */
export function displayPath(path: BytePath): string {
  return NON_ASCII.test(path) ? Buffer.from(path, "latin1").toString("utf8") : path;
}

/** A byte path as `node:fs` takes it. Read directories with `{ encoding: "latin1" }`. */
export function fsPath(path: BytePath): string | Buffer {
  return NON_ASCII.test(path) ? Buffer.from(path, "latin1") : path;
}

/** Byte order, as every written list of names here is sorted. */
export function compareBytes(a: BytePath, b: BytePath): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The directory of a relative byte path; "" for a name without slash. */
export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last part of a byte path. */
export function baseOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A directory and a name beneath it; "" is the root. */
export function joinBytes(directory: BytePath, name: BytePath): BytePath {
  return directory === "" ? name : name === "" ? directory : `${directory}/${name}`;
}

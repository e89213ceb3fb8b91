// A few small files of a client, in memory: a Dockerfile, the ignore files beside it.

import type { BytePath } from "../../../builder/core/bytes/byte-path.ts";
import { displayPath } from "../../../builder/core/bytes/byte-path.ts";
import type { ClientFile, FileReceiver } from "../../../builder/core/client-file.ts";
import { BuildError } from "../../../builder/core/errors.ts";

/** What BuildKit takes of a Dockerfile. */
const LARGEST_BYTES = 16 << 20;

/** Keeps the files of given paths. Links are followed by the client, which sends their targets as well. */
export class SmallFiles implements FileReceiver {
  readonly #parts = new Map<BytePath, Uint8Array[]>();
  readonly #links = new Map<BytePath, BytePath>();
  #size = 0;

  entry({ path, type, size, link = "" }: ClientFile): boolean {
    if (type === "symlink") this.#links.set(path, link);
    if (type === "hardlink") this.#links.set(path, `/${link}`);
    if (type !== "file") return false;
    if (size > LARGEST_BYTES) throw tooLarge(path);
    this.#parts.set(path, []);
    return true;
  }

  data(path: BytePath, bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > LARGEST_BYTES) throw tooLarge(path);
    // A copy: the bytes lie in the middle of what came from the network.
    this.#parts.get(path)?.push(Uint8Array.from(bytes));
  }

  done(): void {
    // Every part is there already.
  }

  /** A file's bytes, links followed; undefined when the client does not have it. */
  read(path: BytePath): Uint8Array | undefined {
    let at = path;
    for (let follows = 0; follows < 40; follows++) {
      const parts = this.#parts.get(at);
      if (parts !== undefined) return Buffer.concat(parts);
      const found = this.#linkOn(at);
      if (found === undefined) return undefined;
      at = found;
    }
    return undefined;
  }

  /** The path with its first link replaced. */
  #linkOn(path: BytePath): BytePath | undefined {
    const parts = path.split("/");
    for (let length = 1; length <= parts.length; length++) {
      const target = this.#links.get(parts.slice(0, length).join("/"));
      if (target === undefined) continue;
      const base = target.startsWith("/") ? [] : parts.slice(0, length - 1);
      return cleaned([...base, ...target.split("/"), ...parts.slice(length)]);
    }
    return undefined;
  }
}

function cleaned(parts: readonly string[]): BytePath {
  const result: string[] = [];
  for (const part of parts) {
    if (part === "..") result.pop();
    else if (part !== "" && part !== ".") result.push(part);
  }
  return result.join("/");
}

function tooLarge(path: BytePath): BuildError {
  return new BuildError("CONTEXT", `"${displayPath(path)}" is too large: at most ${LARGEST_BYTES >> 20} MiB are taken`);
}

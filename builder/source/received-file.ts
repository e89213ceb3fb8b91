// A file of a client's while its bytes come: written anew, or over what is there, and digested on the way.

import type { Hash } from "node:crypto";
import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { displayPath, fsPath } from "../core/bytes/byte-path.ts";
import type { ClientFile } from "../core/client-file.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { setOpenMtimeNs } from "../core/system/syscall.ts";
import { writeAll } from "../core/system/write-all.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

/** What came of it. */
export interface WholeFile {
  readonly stat: fs.BigIntStats;
  /** Undefined where nobody wanted it, and of a file without bytes. */
  readonly digest: Digest | undefined;
}

/** Open until it is disposed. */
export class ReceivedFile implements Disposable {
  readonly #told: ClientFile;
  readonly #overBytes: number | undefined;
  readonly #isHashed: boolean;
  readonly #fd: number;
  #written = 0;
  /** Of what was written; a file that came in one piece has its digest at once. */
  #hash: Hash | Digest | undefined;

  /** Writes over a file of `overBytes`, or makes one where nothing is; never through a symlink. Throws the system's error. */
  constructor(
    path: BytePath,
    told: ClientFile,
    { overBytes, isHashed }: { readonly overBytes: number | undefined; readonly isHashed: boolean },
  ) {
    this.#told = told;
    this.#overBytes = overBytes;
    this.#isHashed = isHashed;
    const flags = overBytes === undefined ? O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW : O_WRONLY | O_NOFOLLOW;
    this.#fd = fs.openSync(fsPath(path), flags, told.mode & 0o777);
  }

  /** Throws `CONTEXT` when these are more than was told of. */
  write(bytes: Uint8Array): void {
    if (this.#written + bytes.length > this.#told.size) throw this.#changed();
    writeAll(this.#fd, bytes);
    if (this.#isHashed) this.#addToHash(bytes);
    this.#written += bytes.length;
  }

  /** Gives it the size, mode and time that were told of. Throws `CONTEXT` when bytes are missing. */
  finish(): WholeFile {
    const { size, mtimeNs, mode, path } = this.#told;
    // What vanished while it was sent arrives as an empty file.
    if (this.#written !== size) throw this.#changed();
    if ((this.#overBytes ?? 0) > size) fs.ftruncateSync(this.#fd, size);
    setOpenMtimeNs(this.#fd, mtimeNs, path);
    const sum = this.#hash;
    const digest: Digest | undefined =
      sum === undefined || typeof sum === "string" ? sum : `sha256:${sum.digest("hex")}`;
    return { stat: withMode(this.#fd, mode), digest };
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#fd);
  }

  #addToHash(bytes: Uint8Array): void {
    if (bytes.length === this.#told.size) this.#hash = `sha256:${hash("sha256", bytes, "hex")}`;
    else if (this.#hash === undefined) this.#hash = createHash("sha256").update(bytes);
    else if (typeof this.#hash !== "string") this.#hash.update(bytes);
  }

  #changed(): BuildError {
    return new BuildError("CONTEXT", `"${displayPath(this.#told.path)}" changed while it was sent`, {
      hint: "let whatever writes to it finish, and build again",
    });
  }
}

/** Gives an open file its mode where it has another, and says what it is then. */
function withMode(fd: number, mode: number): fs.BigIntStats {
  const stat = fs.fstatSync(fd, { bigint: true });
  if (Number(stat.mode & 0o7777n) === mode) return stat;
  fs.fchmodSync(fd, mode);
  return fs.fstatSync(fd, { bigint: true });
}

// A result that comes as a folder: it is written beside its place, and moved there when all of it is on this disk.

import * as fs from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { BytePath } from "../../builder/core/bytes/byte-path.ts";
import { bytePath, fsPath, joinBytes } from "../../builder/core/bytes/byte-path.ts";
import type { ClientFile, FileReceiver } from "../../builder/core/client-file.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { writeAll } from "../../builder/core/system/write-all.ts";

const NS_PER_S = 1e9;

/** Takes the files for the folder at `target`. Disposing it removes what was not moved. */
export class FolderReceiver implements FileReceiver, Disposable {
  readonly #target: string;
  readonly #staging: string;
  readonly #open = new Map<BytePath, { readonly fd: number; readonly file: ClientFile }>();
  readonly #directories: ClientFile[] = [];

  constructor(target: string) {
    this.#target = target;
    fs.mkdirSync(dirname(target), { recursive: true });
    this.#staging = mkdtempSync(join(dirname(target), `.${basename(target)}.tsbuild-`));
  }

  entry(file: ClientFile): boolean {
    const path = this.#path(file.path);
    switch (file.type) {
      case "dir":
        fs.mkdirSync(path, 0o700);
        this.#directories.push(file);
        return false;
      case "symlink":
        fs.symlinkSync(fsPath(file.link ?? ""), path);
        fs.lutimesSync(path, seconds(file), seconds(file));
        return false;
      case "hardlink":
        fs.linkSync(this.#path(file.link ?? ""), path);
        return false;
      case "file":
        this.#open.set(file.path, { fd: fs.openSync(path, "wx", 0o600), file });
        return true;
      case "char":
      case "block":
      case "fifo":
        throw new BuildError(
          "OUTPUT",
          `"${file.path}" is a ${file.type === "fifo" ? "pipe" : "device"}, which a folder of a client does not get`,
          {
            hint: "write an archive instead: -o type=tar,dest=FILE",
          },
        );
    }
  }

  data(path: BytePath, bytes: Uint8Array): void {
    const open = this.#open.get(path);
    if (open !== undefined) writeAll(open.fd, bytes);
  }

  done(path: BytePath): void {
    const open = this.#open.get(path);
    if (open === undefined) return;
    this.#open.delete(path);
    fs.fchmodSync(open.fd, open.file.mode);
    fs.futimesSync(open.fd, seconds(open.file), seconds(open.file));
    fs.closeSync(open.fd);
  }

  /** All has come: it goes where it belongs, over what is there; with `deleteExtra` in its place. */
  finish(deleteExtra: boolean): void {
    for (const file of this.#directories.toReversed()) {
      fs.chmodSync(this.#path(file.path), file.mode);
      fs.utimesSync(this.#path(file.path), seconds(file), seconds(file));
    }
    if (!fs.existsSync(this.#target)) {
      fs.chmodSync(this.#staging, 0o755);
      fs.renameSync(this.#staging, this.#target);
    } else moveInto(bytePath(this.#staging), bytePath(this.#target), deleteExtra);
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) fs.closeSync(fd);
    rmSync(this.#staging, { recursive: true, force: true });
  }

  #path(path: BytePath): string | Buffer {
    return fsPath(joinBytes(bytePath(this.#staging), path));
  }
}

/** Directories are merged; anything else takes the place of what is there. */
function moveInto(from: BytePath, to: BytePath, deleteExtra: boolean): void {
  const names = new Set(namesIn(from));
  if (deleteExtra)
    for (const name of namesIn(to))
      if (!names.has(name)) fs.rmSync(fsPath(joinBytes(to, name)), { recursive: true, force: true });
  for (const name of names) {
    const [source, target] = [joinBytes(from, name), joinBytes(to, name)];
    const isDirectory = fs.lstatSync(fsPath(source)).isDirectory();
    const there = fs.lstatSync(fsPath(target), { throwIfNoEntry: false });
    if (isDirectory && there?.isDirectory() === true) {
      const { mode, mtimeMs } = fs.lstatSync(fsPath(source));
      fs.chmodSync(fsPath(source), 0o700);
      moveInto(source, target, deleteExtra);
      fs.chmodSync(fsPath(target), mode & 0o7777);
      fs.utimesSync(fsPath(target), mtimeMs / 1000, mtimeMs / 1000);
      continue;
    }
    if (there !== undefined && (isDirectory || there.isDirectory()))
      fs.rmSync(fsPath(target), { recursive: true, force: true });
    fs.renameSync(fsPath(source), fsPath(target));
  }
}

function namesIn(directory: BytePath): readonly BytePath[] {
  return fs.readdirSync(fsPath(directory), { encoding: "buffer" }).map((name) => name.toString("latin1"));
}

function seconds({ mtimeNs }: ClientFile): number {
  return Number(mtimeNs) / NS_PER_S;
}

// Notes on transfers: one small file a blob. They are hints; one that is lost, old or overwritten by another process
// costs a transfer that might have been spared.

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import { isSystemError } from "../core/errors.ts";
import type { BlobNotes } from "./store.ts";
import { temporaryPath } from "./temporary.ts";

const MAX_HOLDERS = 8;

const NoteSchema = v.object({
  holders: v.optional(v.array(v.string()), []),
  uploads: v.optional(v.record(v.string(), v.string()), {}),
});

type Note = v.InferOutput<typeof NoteSchema>;

/** Notes below a directory, which is made when the first is taken. What cannot be written is not noted. */
export class DiskNotes implements BlobNotes {
  readonly #directory: string;
  readonly #temporary: string;
  #queue: Promise<void> = Promise.resolve();

  constructor(directory: string, temporaryDirectory: string) {
    this.#directory = directory;
    this.#temporary = temporaryDirectory;
  }

  async holders(digest: Digest): Promise<readonly string[]> {
    return (await this.#read(digest)).holders;
  }

  async addHolder(digest: Digest, repository: string): Promise<void> {
    await this.#change(digest, (note) => {
      if (note.holders[0] === repository) return undefined;
      const others = note.holders.filter((holder) => holder !== repository);
      return { ...note, holders: [repository, ...others].slice(0, MAX_HOLDERS) };
    });
  }

  async upload(digest: Digest, repository: string): Promise<string | undefined> {
    return (await this.#read(digest)).uploads[repository];
  }

  async setUpload(digest: Digest, repository: string, url: string | undefined): Promise<void> {
    await this.#change(digest, (note) => {
      if (note.uploads[repository] === url) return undefined;
      const { [repository]: _old, ...others } = note.uploads;
      return { ...note, uploads: url === undefined ? others : { ...others, [repository]: url } };
    });
  }

  async #read(digest: Digest): Promise<Note> {
    try {
      return v.parse(NoteSchema, JSON.parse(await readFile(this.#path(digest), "utf8")));
    } catch {
      return { holders: [], uploads: {} };
    }
  }

  // One change after the other in this process; two processes may lose one of theirs.
  async #change(digest: Digest, edit: (note: Note) => Note | undefined): Promise<void> {
    const turn = this.#queue.then(async () => {
      const edited = edit(await this.#read(digest));
      if (edited !== undefined) await this.#write(digest, edited);
    });
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  async #write(digest: Digest, note: Note): Promise<void> {
    const temporary = temporaryPath(this.#temporary, "note");
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      // A place for an upload may hold a secret of the registry.
      await writeFile(temporary, JSON.stringify(note), { mode: 0o600 });
      await rename(temporary, this.#path(digest));
    } catch (error) {
      await rm(temporary, { force: true });
      if (!isSystemError(error)) throw error;
    }
  }

  #path(digest: Digest): string {
    return join(this.#directory, hexOf(digest));
  }
}

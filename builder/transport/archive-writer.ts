// An archive that is written while its members come one after the other: into a file, or
// to a daemon. Whoever takes the bytes takes them as they come; nothing is kept.

import { BuildError } from "../core/errors.ts";
import type { MemberToWrite } from "../layer/tar/archive.ts";
import { writeArchive } from "../layer/tar/archive.ts";

/**
 * Takes the bytes of an archive, in order, and resolves when they have arrived: a file that has its name, a daemon that
 * has answered. When the bytes end in an error, nothing of them may be visible.
 */
export type TakeBytes = (chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<void>;

interface Waiting {
  readonly member: MemberToWrite;
  readonly taken: () => void;
}

/** One archive. Disposed before `finish`, it never was. */
export class ArchiveWriter implements AsyncDisposable {
  readonly #written = new Set<string>();
  readonly #taking: Promise<void>;
  readonly #queue: Waiting[] = [];
  #wake: () => void = () => undefined;
  #state: "open" | "finished" | "abandoned" = "open";
  #failure: Error | undefined;

  constructor(take: TakeBytes, signal: AbortSignal) {
    this.#taking = take(writeArchive(this.#members()), signal);
    this.#taking.catch((error: unknown) => {
      this.#failure ??= asError(error);
      for (const { taken } of this.#queue.splice(0)) taken();
    });
  }

  has(name: string): boolean {
    return this.#written.has(name);
  }

  /** Adds a file and waits until its bytes have gone. One at a time; a name once. Throws what the content or the taker throws. */
  async add(name: string, size: number, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    if (this.#written.has(name)) return;
    this.#written.add(name);
    let failure: Error | undefined;
    await new Promise<void>((resolve) => {
      // An error of the content ends the archive; who added it gets that very error.
      const watched = async function* (): AsyncGenerator<Uint8Array> {
        try {
          yield* content;
        } catch (error) {
          failure = asError(error);
          throw error;
        }
      };
      this.#push({ member: { name, type: "file", mode: 0o644, size, content: watched() }, taken: resolve });
    });
    if (failure !== undefined) throw failure;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Adds a folder. */
  async addFolder(name: string): Promise<void> {
    if (this.#written.has(name)) return;
    this.#written.add(name);
    await new Promise<void>((taken) => this.#push({ member: { name, type: "dir", mode: 0o755, size: 0 }, taken }));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the archive; it is there when this resolves. */
  async finish(): Promise<void> {
    this.#state = "finished";
    this.#wake();
    await this.#taking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== "finished") this.#state = "abandoned";
    this.#wake();
    await this.#taking.catch(() => undefined);
  }

  #push(waiting: Waiting): void {
    if (this.#failure !== undefined) return waiting.taken();
    this.#queue.push(waiting);
    this.#wake();
  }

  async *#members(): AsyncGenerator<MemberToWrite> {
    for (;;) {
      const next = this.#queue[0];
      if (next !== undefined) {
        yield next.member;
        // Asked for another one: this one's bytes have gone.
        this.#queue.shift();
        next.taken();
      } else if (this.#state === "finished") {
        return;
      } else if (this.#state === "abandoned") {
        throw new BuildError("CANCELLED", "the archive was not finished");
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new BuildError("INTERNAL", String(error));
}

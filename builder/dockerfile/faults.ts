// Several mistakes of one file, reported together: whoever mends one need not build again to hear of the next.

import { asBuildError, BuildError } from "../core/errors.ts";

/** More are not looked for. */
const MOST = 10;

/** What is wrong with a file so far. */
export class Faults {
  readonly #found: BuildError[] = [];

  get any(): boolean {
    return this.#found.length > 0;
  }

  /** Does a part of the work; a mistake of the file in it is kept. Returns undefined then. Throws what is no mistake of the file, and all mistakes when there are many. */
  attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  /** As `attempt`, for work that takes time. */
  async attemptLater(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.add(error);
    }
  }

  add(error: unknown): void {
    const fault = asBuildError(error);
    if (!OF_FILES.has(fault.code)) throw this.#found.length === 0 ? error : this.#together();
    this.#found.push(fault);
    if (this.#found.length >= MOST) throw this.#together();
  }

  /** Throws if there are any: the first one, with the others. */
  throwIfAny(): void {
    if (this.any) throw this.#together();
  }

  #together(): BuildError {
    const [first, ...others] = this.#found;
    if (first === undefined) throw new BuildError("INTERNAL", "there is no mistake to report");
    return first.with({ others: others.toSorted(byLine) });
  }
}

/** What the person who wrote the file can mend. */
const OF_FILES: ReadonlySet<string> = new Set(["DOCKERFILE", "UNSUPPORTED", "REFERENCE_INVALID"]);

function byLine(a: BuildError, b: BuildError): number {
  return (a.location?.range.startLine ?? 0) - (b.location?.range.startLine ?? 0);
}

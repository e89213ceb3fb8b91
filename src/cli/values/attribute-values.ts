// The `key=value` attributes of one flag, each checked when it is asked for.

import type { Compression } from "../../../builder/core/image/descriptor.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { readBoolean } from "./booleans.ts";

const HIGHEST_LEVEL: Readonly<Record<string, number>> = { zstd: 22 };
const HIGHEST_OTHER_LEVEL = 9;

/** Values by key. Every method throws `USAGE` naming the flag and the key. */
export class AttributeValues {
  readonly #flag: string;
  readonly #values: ReadonlyMap<string, string>;

  /** `flag` as people write it: "--output". */
  constructor(flag: string, values: ReadonlyMap<string, string>) {
    this.#flag = flag;
    this.#values = values;
  }

  fault(message: string, hint?: string): BuildError {
    return new BuildError("USAGE", `${this.#flag}: ${message}`, { hint });
  }

  /** What was written, "" too. */
  written(key: string): string | undefined {
    return this.#values.get(key);
  }

  text(key: string): string | undefined {
    return this.written(key) || undefined;
  }

  boolean(key: string): boolean | undefined {
    const value = this.written(key);
    if (value === undefined) return undefined;
    const said = readBoolean(value);
    if (said === undefined) throw this.fault(`${key}="${value}" is neither true nor false`);
    return said;
  }

  choice<const T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.written(key);
    if (value === undefined) return undefined;
    const found = choices.find((candidate) => candidate === value);
    if (found === undefined) throw this.fault(`${key}="${value}" is none of ${choices.join(", ")}`);
    return found;
  }

  /** gzip 0-9 and zstd 0-22, as BuildKit bounds them. */
  level(compression: Compression): number | undefined {
    const value = this.text("compression-level");
    if (value === undefined) return undefined;
    const most = HIGHEST_LEVEL[compression] ?? HIGHEST_OTHER_LEVEL;
    const level = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(level >= 0 && level <= most))
      throw this.fault(`compression-level="${value}" is not between 0 and ${most} (${compression})`);
    return level;
  }

  /** Refuses a value that means something to BuildKit and nothing here yet. Throws `UNSUPPORTED`. */
  refuse(key: string, value: string): void {
    if (this.written(key) === value)
      throw new BuildError("UNSUPPORTED", `${this.#flag}: ${key}=${value} is not supported yet`);
  }
}

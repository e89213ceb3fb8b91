// Numbers with units, as docker's flags write them.

import { BuildError } from "../../../builder/core/errors.ts";

const POWERS: Readonly<Record<string, number>> = { "": 0, b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** "64m", "1.5GiB", "512": bytes, units of 1024 (docker's RAMInBytes). Throws `USAGE`. */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text.trim());
  if (match === null) {
    throw new BuildError("USAGE", `${flag}: invalid size: "${text}"`, {
      hint: "write a number and a unit, as 64m or 1g",
    });
  }
  const power = POWERS[(match[2] ?? "").toLowerCase()] ?? 0;
  return Math.floor(Number(match[1]) * 1024 ** power);
}

/** A whole number of at least `least`. Throws `USAGE`. */
export function parseCount(text: string, flag: string, least: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count) || count < least) {
    throw new BuildError("USAGE", `${flag}: "${text}" is not a number from ${least} up`);
  }
  return count;
}

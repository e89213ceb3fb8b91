// `--max-unpacked-size` and `--max-unpack-ratio`: bounds against archives that are made to unpack to too much.

import type { Arguments, Flag } from "../flags.ts";
import { textOf } from "../flags.ts";
import { parseCount, parseSize } from "./sizes.ts";

// prettier-ignore
export const LIMIT_FLAGS: readonly Flag[] = [
  { name: "max-unpack-ratio", kind: "string", value: "N", state: "works", help: "Refuse layers that unpack to more than N times their size (default 500, beyond 8 GiB)" },
  { name: "max-unpacked-size", kind: "string", value: "SIZE", state: "works", help: "Refuse layers and archives that unpack to more than this (default 512g)" },
];

/** As the engine takes them: bytes, and unpacked to packed. */
interface UnpackLimits {
  readonly maxBytes: number;
  readonly maxRatio: number;
}

/** The engine's defaults. */
export const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 512 * 2 ** 30, maxRatio: 500 };

/** What the flags say. Throws `USAGE`. */
export function unpackLimits(args: Arguments): UnpackLimits {
  const [size, ratio] = [textOf(args, "max-unpacked-size"), textOf(args, "max-unpack-ratio")];
  return {
    maxBytes: size === undefined ? DEFAULT_LIMITS.maxBytes : parseSize(size, "--max-unpacked-size"),
    maxRatio: ratio === undefined ? DEFAULT_LIMITS.maxRatio : parseCount(ratio, "--max-unpack-ratio", 1),
  };
}

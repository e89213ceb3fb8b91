// What an image differs in from the golden, level by level. The tolerances, all of them: `# buildkit` at the end of a
// created_by, comment and author of history entries, and of HEALTHCHECK all but its name, whose form differs between
// versions of BuildKit. What else does not count (times, order, which hard link carries the content) is not in the
// compared form: see image.ts and layer.ts.

import { isDeepStrictEqual } from "node:util";

import type { Golden, Image } from "./image.ts";

export const LEVELS = ["outcome", "config", "rootfs", "layers", "history"] as const;
export type Level = (typeof LEVELS)[number];
export type Difference = readonly [level: Level, what: string];

/** What the builder made of a case. */
export interface Got {
  readonly error: string | undefined;
  readonly images: readonly Image[];
}

/** No difference means the case passes. */
export function compare(want: Golden, got: Got): Difference[] {
  if (want.outcome === "error") {
    return got.error === undefined ? [["outcome", `it built, and must fail with "${want.error}"`]] : [];
  }
  if (got.error !== undefined) return [["outcome", `it must build, and failed: ${got.error}`]];
  const images = want.images ?? [];
  if (images.length !== got.images.length) return [["config", `${got.images.length} images, not ${images.length}`]];
  return images.flatMap((image, at) => {
    const other = got.images[at];
    return other === undefined ? [] : compareImages(image, other);
  });
}

function compareImages(want: Image, got: Image): Difference[] {
  const where = `${String(want.config["architecture"])}: `;
  return [
    ...compareMaps("config", where, withoutArgsEscaped(want.config), got.config),
    ...compareMaps("rootfs", where, want.rootfs.entries, got.rootfs.entries),
    ...compareValues("rootfs", `${where}removed`, want.rootfs.removed, got.rootfs.removed),
    ...compareValues("rootfs", `${where}hard links`, want.rootfs.hardlinks, got.rootfs.hardlinks),
    ...(got.problems ?? []).map((problem): Difference => ["layers", `${where}${problem}`]),
    ...compareValues("layers", `${where}number of layers`, want.layers.length, got.layers.length),
    ...want.layers.flatMap((layer, at) => {
      const other = got.layers[at] ?? {};
      return [
        ...compareValues("layers", `${where}layer ${at} of the base`, layer.base, other.base),
        ...compareMaps("layers", `${where}layer ${at}: `, layer.entries ?? {}, other.entries ?? {}),
      ];
    }),
    ...compareValues("history", `${where}number of steps`, want.history.length, got.history.length),
    ...want.history.flatMap((step, at) =>
      compareValues("history", `${where}step ${at}`, comparableStep(step), comparableStep(got.history[at])),
    ),
  ];
}

type Values = Readonly<Record<string, unknown>>;

function compareMaps(level: Level, where: string, want: Values, got: Values): Difference[] {
  const keys = [...new Set([...Object.keys(want), ...Object.keys(got)])].toSorted();
  return keys.flatMap((key) => compareValues(level, `${where}${key}`, want[key], got[key]));
}

function compareValues(level: Level, what: string, want: unknown, got: unknown): Difference[] {
  return isDeepStrictEqual(want, got) ? [] : [[level, `${what}: ${show(got)}, not ${show(want)}`]];
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length < 200 ? text : `${text.slice(0, 200)}…`;
}

function comparableStep(step: Image["history"][number] | undefined): unknown {
  if (step === undefined) return undefined;
  const { created_by, empty_layer = false, created } = step;
  const text = created_by.replace(/\s*# buildkit$/, "");
  return { created_by: text.startsWith("HEALTHCHECK ") ? "HEALTHCHECK" : text, empty_layer, created };
}

function withoutArgsEscaped(config: Values): Values {
  return Object.fromEntries(Object.entries(config).filter(([key]) => key !== "config.ArgsEscaped"));
}

// A conformance case as it lies in fixtures/conformance/cases: what is asked of the builder, and what BuildKit made of it.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import process from "node:process";

import * as v from "valibot";

import type { Golden } from "./image.ts";

export const FIXTURES = path.join(import.meta.dirname, "../../fixtures/conformance");

const strings = v.array(v.string());
const CaseFile = v.strictObject({
  name: v.string(),
  topic: v.string(),
  origin: v.string(),
  /** What the author thought; the golden decides. */
  expect: v.picklist(["ok", "error"]),
  note: v.optional(v.string()),
  /** Relative to the context. */
  dockerfile: v.optional(v.string(), "Dockerfile"),
  /** Instead of the context folder; @WWW@ is the case's own server. */
  context_url: v.optional(v.string()),
  /** Base images that it may use by their name. */
  bases: v.optional(strings, []),
  /** More folders beside the context: named contexts, secrets. */
  dirs: v.optional(strings, []),
  needs: v.optional(v.array(v.picklist(["git", "root", "xattr"])), []),
  args: v.optional(
    v.strictObject({
      build_args: v.optional(v.record(v.string(), v.nullable(v.string())), {}),
      contexts: v.optional(v.record(v.string(), v.string()), {}),
      env: v.optional(v.record(v.string(), v.string()), {}),
      network: v.optional(v.string()),
      platform: v.optional(v.string()),
      secrets: v.optional(
        v.array(v.strictObject({ id: v.string(), file: v.optional(v.string()), env: v.optional(v.string()) })),
        [],
      ),
      shm_size: v.optional(v.string()),
      target: v.optional(v.string()),
    }),
    {},
  ),
  compare: v.optional(
    v.strictObject({
      /** The creation times of image and history, which SOURCE_DATE_EPOCH sets. */
      created: v.optional(v.boolean(), false),
      /** Files of the context keep the times that setup.sh gave them. */
      keep_mtimes: v.optional(v.boolean(), false),
      /** Globs of paths whose times count. */
      mtime: v.optional(strings, []),
    }),
    {},
  ),
});

export type Case = v.InferOutput<typeof CaseFile> & { readonly folder: string };

/** A case by its folder below `FIXTURES`. */
export function readCase(place: string): Case {
  const folder = path.join(FIXTURES, place);
  return { ...v.parse(CaseFile, JSON.parse(readFileSync(path.join(folder, "case.json"), "utf8"))), folder };
}

/** The recorded result; its form is that of `readImages`, which wrote it. */
export function readGolden({ folder }: Case): Golden {
  return JSON.parse(readFileSync(path.join(folder, "golden.json"), "utf8")) as Golden;
}

/** Why the case cannot be laid out here; undefined when it can. */
export function whyNot({ needs }: Case): string | undefined {
  for (const need of needs) {
    if (need === "git" && spawnSync("git", ["--version"]).error !== undefined) return "needs git";
    if (need === "root" && !canChown()) return "needs root or subordinate ids, for files of other owners";
    if (need === "xattr" && !canSetAttributes()) return "needs python3 and a file system with user attributes";
  }
  return undefined;
}

function canChown(): boolean {
  return process.getuid?.() === 0 && process.env["TSBUILD_USERNS"] !== "single";
}

/** Whether files of temporary folders can have attributes, and python3 is there to set them. */
export function canSetAttributes(): boolean {
  const folder = mkdtempSync(path.join(os.tmpdir(), "tsbuild-xattr-"));
  try {
    const file = path.join(folder, "file");
    writeFileSync(file, "");
    return spawnSync("python3", ["-c", "import os, sys; os.setxattr(sys.argv[1], 'user.a', b'')", file]).status === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where a case was laid out. */
export interface Place {
  readonly folder: string;
  readonly www: string | undefined;
  /** OCI layouts, one a base image. */
  readonly bases: string;
}

/** The options of the case as flags of `docker build`. */
export function flagsOf({ args, bases }: Case, place: Place): string[] {
  const fill = (text: string): string => text.replaceAll("@WWW@", place.www ?? "").replaceAll("@CASE@", place.folder);
  const base = (name: string): string => `oci-layout://${path.join(place.bases, name)}`;
  const context = (text: string): string => {
    if (text.startsWith("base:")) return base(text.slice("base:".length));
    return text.includes("://") ? fill(text) : path.join(place.folder, fill(text));
  };
  const each = <T>(flag: string, values: readonly T[], show: (value: T) => string): string[] =>
    values.flatMap((value) => [flag, show(value)]);
  const one = (flag: string, value: string | undefined): string[] => (value === undefined ? [] : [flag, value]);
  return [
    ...each("--build-context", bases, (name) => `${name}=${base(name)}`),
    ...each("--build-arg", Object.entries(args.build_args ?? {}), ([key, value]) =>
      value === null ? key : `${key}=${fill(value)}`,
    ),
    ...each("--secret", args.secrets ?? [], ({ id, file, env }) =>
      file === undefined ? `id=${id},env=${env}` : `id=${id},src=${path.join(place.folder, file)}`,
    ),
    ...each("--build-context", Object.entries(args.contexts ?? {}), ([key, value]) => `${key}=${context(value)}`),
    ...one("--target", args.target),
    ...one("--platform", args.platform),
    ...one("--network", args.network),
    ...one("--shm-size", args.shm_size),
  ];
}

/** Whether the case has such a file or folder. */
export function has({ folder }: Case, name: string): boolean {
  return existsSync(path.join(folder, name));
}

// The settings of the daemon in the form of buildkitd.toml (moby/buildkit, docs/buildkitd.toml.md). What is about
// registries is read where registries are (buildkitd-toml.ts).

import * as v from "valibot";
import { BuildError } from "../../builder/core/errors.ts";
import { checkShape } from "./shape.ts";
import { readToml } from "./toml-file.ts";

const Tls = v.looseObject({
  cert: v.exactOptional(v.string()),
  key: v.exactOptional(v.string()),
  ca: v.exactOptional(v.string()),
});
const File = v.looseObject({
  root: v.exactOptional(v.string()),
  "insecure-entitlements": v.exactOptional(v.array(v.string())),
  grpc: v.exactOptional(v.looseObject({ address: v.exactOptional(v.array(v.string())), tls: v.exactOptional(Tls) })),
  otel: v.exactOptional(
    v.looseObject({
      endpoint: v.exactOptional(v.string()),
      headers: v.exactOptional(v.record(v.string(), v.string())),
    }),
  ),
  debug: v.exactOptional(v.boolean()),
  log: v.exactOptional(v.looseObject({ format: v.exactOptional(v.picklist(["json", "text"])) })),
  worker: v.exactOptional(
    v.looseObject({ oci: v.exactOptional(v.looseObject({ "max-parallelism": v.exactOptional(v.number()) })) }),
  ),
});

/** What a file says; what it does not say is undefined. */
export interface DaemonFile {
  readonly root: string | undefined;
  readonly addresses: readonly string[];
  readonly entitlements: readonly string[];
  readonly tls: { readonly cert?: string; readonly key?: string; readonly ca?: string };
  readonly maxParallelism: number | undefined;
  /** Where traces go. */
  readonly otel: { readonly endpoint?: string; readonly headers?: Readonly<Record<string, string>> };
  readonly log: { readonly format?: "json" | "text"; readonly level?: "debug" };
  /** Tables and keys that mean something to buildkitd and nothing here. */
  readonly ignored: readonly string[];
}

/** What each table may hold that counts here. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "": ["root", "insecure-entitlements", "grpc", "worker", "registry", "otel", "log", "debug"],
  grpc: ["address", "tls"],
  "grpc.tls": ["cert", "key", "ca"],
  otel: ["endpoint", "headers"],
  log: ["format"],
  worker: ["oci"],
  "worker.oci": ["max-parallelism"],
};

/** Reads the file. Throws `CONFIG` when it is not there, no TOML, or not of that form. */
export async function readDaemonFile(path: string): Promise<DaemonFile> {
  const written = await readToml(path);
  if (written === undefined) throw new BuildError("CONFIG", `--config: there is no file "${path}"`);
  const file = checkShape(File, written, `"${path}"`);
  return {
    root: file.root,
    addresses: file.grpc?.address ?? [],
    entitlements: file["insecure-entitlements"] ?? [],
    tls: file.grpc?.tls ?? {},
    maxParallelism: file.worker?.oci?.["max-parallelism"] || undefined,
    otel: file.otel ?? {},
    log: {
      ...(file.log?.format === undefined ? {} : { format: file.log.format }),
      ...(file.debug === true ? { level: "debug" } : {}),
    },
    ignored: unknownKeys("", file),
  };
}

function unknownKeys(table: string, content: Readonly<Record<string, unknown>>): string[] {
  const known = KNOWN[table];
  if (known === undefined) return [];
  return Object.entries(content).flatMap(([key, value]) => {
    const name = table === "" ? key : `${table}.${key}`;
    if (!known.includes(key)) return [name];
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? unknownKeys(name, value as Readonly<Record<string, unknown>>) // a table of TOML
      : [];
  });
}

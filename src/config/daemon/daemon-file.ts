// The settings of the daemon in the form of buildkitd.toml (moby/buildkit, docs/buildkitd.toml.md). What is about
// registries is only checked here, and read where registries are (buildkitd-toml.ts).

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import { RegistryTables } from "../registries/buildkitd-toml.ts";
import type { KeyPath } from "./daemon-keys.ts";
import { foreignKeys } from "./daemon-keys.ts";
import { checkShape } from "../files/shape.ts";
import { readText } from "../files/text-file.ts";
import { readToml } from "../files/toml-file.ts";
import { lineOfKey } from "../files/toml-lines.ts";

const Tls = v.looseObject({
  cert: v.exactOptional(v.string()),
  key: v.exactOptional(v.string()),
  ca: v.exactOptional(v.string()),
});
const Space = v.union([v.string(), v.number()]);
const Tenant = v.strictObject({
  certificates: v.optional(v.array(v.string()), []),
  addresses: v.optional(v.array(v.string()), []),
  "max-parallelism": v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  "max-used-space": v.exactOptional(Space),
});
const Spaces = {
  maxUsedSpace: v.exactOptional(Space),
  reservedSpace: v.exactOptional(Space),
  minFreeSpace: v.exactOptional(Space),
};
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const Policy = v.strictObject({
  ...Spaces,
  all: v.exactOptional(v.boolean()),
  filters: v.exactOptional(v.array(v.string())),
  keepDuration: v.exactOptional(Space),
  keepBytes: v.exactOptional(Space),
});
const Oci = v.looseObject({
  ...Spaces,
  "max-parallelism": v.exactOptional(Count),
  "max-memory": v.exactOptional(Space),
  defaultCgroupParent: v.exactOptional(v.string()),
  gc: v.exactOptional(v.boolean()),
  gckeepstorage: v.exactOptional(Space),
  gcpolicy: v.exactOptional(v.array(Policy)),
});
const File = v.looseObject({
  root: v.exactOptional(v.string()),
  "insecure-entitlements": v.exactOptional(v.array(v.string())),
  grpc: v.exactOptional(
    v.looseObject({
      address: v.exactOptional(v.array(v.string())),
      tls: v.exactOptional(Tls),
      gid: v.exactOptional(Count),
    }),
  ),
  registry: v.exactOptional(RegistryTables),
  tenant: v.exactOptional(v.record(v.string(), Tenant)),
  otel: v.exactOptional(
    v.looseObject({
      endpoint: v.exactOptional(v.string()),
      headers: v.exactOptional(v.record(v.string(), v.string())),
    }),
  ),
  debug: v.exactOptional(v.boolean()),
  trace: v.exactOptional(v.boolean()),
  log: v.exactOptional(
    v.looseObject({
      format: v.exactOptional(v.picklist(["json", "text"])),
      level: v.exactOptional(v.picklist(["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"])),
    }),
  ),
  history: v.exactOptional(v.looseObject({ maxEntries: v.exactOptional(Count) })),
  worker: v.exactOptional(v.looseObject({ oci: v.exactOptional(Oci) })),
});

/** A part of the disk, as it was written. */
type Amounts = { readonly [K in "max-used-space" | "reserved-space" | "min-free-space"]?: string | number };

/** `[disk]` of tsbuild.toml, as it was written. */
interface Disk extends Amounts {
  readonly gc?: boolean;
  readonly rule?: DiskRule[];
}

interface DiskRule extends Amounts {
  readonly all?: boolean;
  readonly filters?: string[];
  readonly "keep-duration"?: string;
}

/** `[tenant.NAME]`. */
export interface TenantTable {
  readonly certificates: readonly string[];
  readonly addresses: readonly string[];
  readonly maxParallelism: number | undefined;
  readonly disk: Amounts | undefined;
}

/** What a file says; what it does not say is undefined. */
export interface DaemonFile {
  readonly root: string | undefined;
  readonly addresses: readonly string[];
  readonly entitlements: readonly string[];
  /** Group id that may use the unix socket. */
  readonly group: number | undefined;
  readonly tls: { readonly cert?: string; readonly key?: string; readonly ca?: string };
  readonly maxParallelism: number | undefined;
  /** Of all steps together. */
  readonly maxMemory: string | number | undefined;
  readonly cgroupParent: string | undefined;
  readonly disk: Disk | undefined;
  readonly tenants: ReadonlyMap<string, TenantTable>;
  /** Where traces go. */
  readonly otel: { readonly endpoint?: string; readonly headers?: Readonly<Record<string, string>> };
  readonly log: { readonly format?: "json" | "text"; readonly level?: LogLevel };
  /** Builds that are remembered. */
  readonly mostRecords: number | undefined;
  /** Tables and keys that mean something to buildkitd and nothing here. */
  readonly ignored: readonly string[];
}

type LogLevel = "debug" | "info" | "warn" | "error";

/** Reads the file. Throws `CONFIG` when it is not there, no TOML, not of that form, or says what nobody knows. */
export async function readDaemonFile(path: string): Promise<DaemonFile> {
  const written = await readToml(path);
  if (written === undefined) throw new BuildError("CONFIG", `--config: there is no file "${path}"`);
  const text = (await readText(path)) ?? "";
  const where = (key: KeyPath): string => {
    const line = lineOfKey(text, key);
    return line === undefined ? `"${path}"` : `"${path}", line ${line}`;
  };
  const ignored = foreignKeys(written, where);
  const file = checkShape(File, written, where);
  const oci = file.worker?.oci ?? {};
  return {
    root: file.root,
    addresses: file.grpc?.address ?? [],
    entitlements: file["insecure-entitlements"] ?? [],
    group: file.grpc?.gid,
    tls: file.grpc?.tls ?? {},
    maxParallelism: oci["max-parallelism"] || undefined,
    maxMemory: oci["max-memory"],
    cgroupParent: oci.defaultCgroupParent || undefined,
    disk: diskOf(oci),
    tenants: new Map(
      Object.entries(file.tenant ?? {}).map(([name, table]) => [
        name,
        {
          certificates: table.certificates,
          addresses: table.addresses,
          maxParallelism: table["max-parallelism"],
          disk: said(amountsOf({ maxUsedSpace: table["max-used-space"] }, undefined)),
        },
      ]),
    ),
    otel: file.otel ?? {},
    log: {
      ...(file.log?.format === undefined ? {} : { format: file.log.format }),
      ...levelOf(file),
    },
    mostRecords: file.history?.maxEntries || undefined,
    ignored,
  };
}

function levelOf({ debug, trace, log }: v.InferOutput<typeof File>): { readonly level?: LogLevel } {
  switch (log?.level) {
    case "trace":
    case "debug":
      return { level: "debug" };
    case "warn":
    case "warning":
      return { level: "warn" };
    case "error":
    case "fatal":
    case "panic":
      return { level: "error" };
    case "info":
      return { level: "info" };
    case undefined:
      return debug === true || trace === true ? { level: "debug" } : {};
  }
}

/** Undefined where nothing is said. */
function diskOf({ gc, gckeepstorage, gcpolicy, ...spaces }: v.InferOutput<typeof Oci>): Disk | undefined {
  const rule = gcpolicy?.map(({ keepBytes, keepDuration, all, filters, ...own }): DiskRule => ({
    ...amountsOf(own, keepBytes),
    ...(all === undefined ? {} : { all }),
    ...(filters === undefined ? {} : { filters }),
    ...(keepDuration === undefined ? {} : { "keep-duration": durationText(keepDuration) }),
  }));
  return said({
    ...amountsOf(spaces, gckeepstorage),
    ...(gc === undefined ? {} : { gc }),
    ...(rule === undefined ? {} : { rule }),
  });
}

/** `kept`: the old name of what is reserved, which counts where none of the new ones stands. */
function amountsOf(
  spaces: { readonly [K in keyof typeof Spaces]?: string | number | undefined },
  kept: string | number | undefined,
): Amounts {
  const { maxUsedSpace, minFreeSpace, reservedSpace } = spaces;
  const isOld = maxUsedSpace === undefined && minFreeSpace === undefined && reservedSpace === undefined;
  const reserved = isOld ? kept : reservedSpace;
  return {
    ...(maxUsedSpace === undefined ? {} : { "max-used-space": maxUsedSpace }),
    ...(reserved === undefined ? {} : { "reserved-space": reserved }),
    ...(minFreeSpace === undefined ? {} : { "min-free-space": minFreeSpace }),
  };
}

/** A number by itself is seconds. */
function durationText(written: string | number): string {
  return /^\d+$/.test(`${written}`) ? `${written}s` : `${written}`;
}

function said<T extends object>(table: T): T | undefined {
  return Object.keys(table).length === 0 ? undefined : table;
}

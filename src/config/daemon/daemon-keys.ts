// The keys of a daemon's file: what counts here, what means something to buildkitd alone (cmd/buildkitd/config/config.go), and
// that there are no others: a slip of the pen is an error, since a limit or a mirror that is not there is missed late.

import { BuildError } from "../../../builder/core/errors.ts";

type Keys = readonly string[];

const AMOUNTS = ["reservedSpace", "maxUsedSpace", "minFreeSpace"];

/** What counts, by table; `*` stands for any name, and for each of a list. */
const OURS: Readonly<Record<string, Keys>> = {
  "": [
    "root",
    "insecure-entitlements",
    "grpc",
    "worker",
    "registry",
    "tenant",
    "otel",
    "log",
    "debug",
    "trace",
    "history",
  ],
  grpc: ["address", "tls", "gid"],
  "grpc.tls": ["cert", "key", "ca"],
  otel: ["endpoint", "headers"],
  log: ["format", "level"],
  history: ["maxEntries"],
  worker: ["oci"],
  "worker.oci": ["max-parallelism", "max-memory", "defaultCgroupParent", "gc", "gckeepstorage", "gcpolicy", ...AMOUNTS],
  "worker.oci.gcpolicy.*": ["all", "filters", "keepDuration", "keepBytes", ...AMOUNTS],
  registry: ["*"],
  "registry.*": ["mirrors", "http", "insecure", "ca", "keypair"],
  "registry.*.keypair.*": ["key", "cert"],
  tenant: ["*"],
  "tenant.*": ["certificates", "addresses", "max-parallelism", "max-used-space"],
};

/** What means something there; what is in such a table is not looked at. */
const THEIRS: Readonly<Record<string, Keys>> = {
  "": ["proxyNetwork", "cdi", "dns", "frontend", "system", "provenanceEnvDir", "cache", "ghacache"],
  grpc: ["debugAddress", "uid", "securityDescriptor"],
  otel: ["socketPath"],
  history: ["maxAge"],
  worker: ["containerd"],
  "worker.oci": [
    ...[
      "enabled",
      "labels",
      "platforms",
      "snapshotter",
      "rootless",
      "noProcessSandbox",
      "userRemapUnsupported",
      "binary",
    ],
    ...["networkMode", "cniConfigPath", "cniBinaryPath", "cniPoolSize", "bridgeName", "bridgeSubnet"],
    ...["proxySnapshotterPath", "stargzSnapshotter", "apparmor-profile", "selinux"],
  ],
  "registry.*": ["tlsconfigdir"],
};

/** A place in the file. */
export type KeyPath = readonly (string | number)[];

/** The keys that mean something to buildkitd and nothing here. Throws `CONFIG` for one that means nothing to either. */
export function foreignKeys(
  content: object,
  where: (path: KeyPath) => string,
  path: KeyPath = [],
  table = "",
): string[] {
  return Object.entries(content).flatMap(([key, value]: [string, unknown]) => {
    const here = [...path, Array.isArray(content) ? Number(key) : key];
    const [ours, theirs] = [OURS[table] ?? [], THEIRS[table] ?? []];
    const isAny = Array.isArray(content) || ours.includes("*");
    const below = [...(table === "" ? [] : [table]), isAny ? "*" : key].join(".");
    if (theirs.includes(key)) return [here.join(".")];
    if (!isAny && !ours.includes(key)) throw unknownKey(key, here, [...ours, ...theirs], where);
    const isTable = typeof value === "object" && value !== null && hasKeys(below, Array.isArray(value));
    return isTable ? foreignKeys(value, where, here, below) : [];
  });
}

/** Whether what is below is told by its keys; what holds free ones (headers) or plain values is not. */
function hasKeys(table: string, isList: boolean): boolean {
  return isList ? `${table}.*` in OURS : table in OURS;
}

function unknownKey(key: string, path: KeyPath, known: Keys, where: (path: KeyPath) => string): BuildError {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, "");
  const meant = known.find((one) => plain(one) === plain(key));
  return new BuildError("CONFIG", `${where(path)}: there is no setting "${path.join(".")}"`, {
    hint: meant === undefined ? `here can stand: ${known.toSorted().join(", ")}` : `it is written "${meant}"`,
  });
}

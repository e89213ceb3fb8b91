// What this daemon tells its clients that it can do.

import { rulesInBytes } from "../../../builder/disk-settings.ts";
import { hostGateway } from "../../../builder/core/host-gateway.ts";
import { hostPlatform } from "../../../builder/core/image/platform.ts";
import { VERSION } from "../../version.ts";
import type { BuildkitVersion, WorkerRecord } from "../../api/proto/control.ts";
import type { Of } from "../../api/proto/message.ts";
import type { DaemonSettings } from "../settings.ts";

/** The release whose API is spoken: clients compare it with what they need. */
const API_VERSION = "v0.25.0";
const NS_PER_MS = 1e6;

export const VERSION_RECORD: Of<typeof BuildkitVersion> = {
  package: "tsbuild",
  version: `${API_VERSION}+tsbuild.${VERSION}`,
  revision: "",
  dockerfile: "1.20.0",
};

/** The one worker. */
export function workerRecord({ root, disk }: Pick<DaemonSettings, "root" | "disk">): Of<typeof WorkerRecord> {
  const { os, architecture, variant = "" } = hostPlatform();
  const gateway = hostGateway();
  return {
    id: "tsbuild",
    labels: new Map([
      ["org.mobyproject.buildkit.worker.executor", "oci"],
      ["org.mobyproject.buildkit.worker.snapshotter", "tsbuild"],
      // Docker's clients put it in the place of "host-gateway" themselves.
      ...(gateway === undefined ? [] : [["org.mobyproject.buildkit.worker.moby.host-gateway-ip", gateway] as const]),
    ]),
    platforms: [{ os, architecture, variant }],
    gcPolicy: rulesInBytes(root, disk).map(
      ({ all, keepMs, filterTexts: filters, reservedBytes, maxUsedBytes, minFreeBytes }) => ({
        ...{ all, keepDuration: keepMs * NS_PER_MS, filters },
        ...{ reservedSpace: reservedBytes, maxUsedSpace: maxUsedBytes, minFreeSpace: minFreeBytes },
      }),
    ),
    version: VERSION_RECORD,
  };
}

const FRONTEND = [
  "solve.base",
  "solve.inlinecache",
  "resolveimage",
  "return",
  "returnmap",
  "readfile",
  "readdir",
  "statfile",
  "importcaches",
  "proto.refarray",
  "reference.output",
  "frontend.inputs",
  "gateway.solve.metadata",
  "frontend.caps",
  "gateway.solve.evaluate",
  "gateway.evaluate",
  "gateway.warnings",
];
/** "exporter.image.attestations" makes clients ask for provenance by default. */
const LLB = [
  "source.image",
  "source.image.resolvemode",
  "source.image.checksum",
  "source.ocilayout",
  "source.local",
  "source.local.unique",
  "source.local.sessionid",
  "source.local.includepatterns",
  "source.local.followpaths",
  "source.local.excludepatterns",
  "source.local.sharedkeyhint",
  "source.local.differ",
  "source.git",
  "source.git.keepgitdir",
  "source.git.fullurl",
  "source.git.httpauth",
  "source.git.mountsshsock",
  "source.git.subdir",
  "source.git.checksum",
  "source.git.skipsubmodules",
  "source.git.mtime",
  "source.git.fetchbycommit",
  "source.http",
  "source.http.checksum",
  "source.http.perm",
  // As the protocol spells it.
  "soruce.http.uidgid",
  "exec.meta.base",
  "exec.meta.network",
  "exec.meta.security",
  "exec.meta.cgroup.parent",
  "exec.meta.proxyenv",
  "exec.meta.setsdefaultpath",
  "exec.meta.ulimit",
  "exec.meta.removemountstubs.recursive",
  "exec.secretenv",
  "exec.validexitcode",
  "exec.mount.bind",
  "exec.mount.bind.readwrite-nooutput",
  "exec.mount.selector",
  "exec.mount.cache",
  "exec.mount.cache.sharing",
  "exec.mount.secret",
  "exec.mount.ssh",
  "exec.mount.tmpfs",
  "exec.mount.tmpfs.size",
  "exec.mount.cache.content",
  "file.base",
  "file.rm.wildcard",
  "file.rm.nofollowsymlink",
  "file.copy.includeexcludepatterns",
  "file.copy.alwaysreplaceexistingdestpaths",
  "file.copy.modestring",
  "file.copy.requiredpaths",
  "file.symlink.create",
  "constraints",
  "platform",
  "meta.ignorecache",
  "meta.description",
  "meta.exportcache",
  "cache.gha",
  "cache.s3",
  "cache.azblob",
  "mergeop",
  "diffop",
  "source.policy",
  "exporter.multiple",
  "exporter.image.annotations",
  "exporter.image.attestations",
  "exporter.sourcedateepoch",
  "gc.freespacefilter",
];

type Capabilities = readonly { readonly id: string; readonly enabled: boolean }[];

export const FRONTEND_CAPS: Capabilities = FRONTEND.map((id) => ({ id, enabled: true }));
/** What ops of a client's graph may need. */
export const ABILITIES: ReadonlySet<string> = new Set(LLB);
export const LLB_CAPS: Capabilities = LLB.map((id) => ({ id, enabled: true }));

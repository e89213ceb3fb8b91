// config.json of a bundle: an image's config in the words of the OCI runtime-spec, by the conversion rules of
// the image-spec (conversion.md).

import type { ImageConfig } from "../core/image/image-config.ts";
import type { ImageCommand } from "./command.ts";
import type { IdRange } from "./id-map.ts";
import { hostIdOf } from "./id-map.ts";
import type { BundleVolume } from "./volumes.ts";

/** What a process in the bundle may do; the same as a step of a build. */
export interface BundlePolicy {
  readonly capabilities: readonly string[];
  readonly seccomp: object;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

export interface RuntimeConfigParts {
  readonly image: ImageConfig;
  readonly command: ImageCommand;
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly volumes: readonly BundleVolume[];
  readonly policy: BundlePolicy;
  /** The user namespace; undefined: none of its own. */
  readonly userNamespace: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] } | undefined;
  /** For a runtime without root: the machine's network, and nothing that cgroups must be had for. */
  readonly rootless: boolean;
  readonly terminal: boolean;
}

/** The object that becomes config.json. */
export function bundleConfig(parts: RuntimeConfigParts): object {
  const { command, user, policy, userNamespace, rootless } = parts;
  const { capabilities, seccomp, maskedPaths, readonlyPaths } = policy;
  const set = { bounding: capabilities, effective: capabilities, permitted: capabilities };
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: parts.terminal,
      user: { uid: user.uid, gid: user.gid, additionalGids: settableGroups(parts) },
      args: command.args,
      env: command.env,
      cwd: command.cwd,
      capabilities: { ...set, inheritable: [], ambient: [] },
      noNewPrivileges: false,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "tsbuild",
    mounts: mountsOf(parts),
    annotations: imageAnnotations(parts.image),
    linux: {
      ...(userNamespace === undefined
        ? {}
        : { uidMappings: mappings(userNamespace.uids), gidMappings: mappings(userNamespace.gids) }),
      ...(rootless ? {} : { resources: { devices: [{ allow: false, access: "rwm" }] } }),
      namespaces: [
        "pid",
        "ipc",
        "uts",
        "mount",
        ...(rootless ? [] : ["network"]),
        ...(userNamespace === undefined ? [] : ["user"]),
      ].map((type) => ({ type })),
      maskedPaths,
      readonlyPaths,
      seccomp,
    },
  };
}

/** Annotations by the conversion rules, sorted; a label of the same name comes before what is derived. */
function imageAnnotations(image: ImageConfig): Record<string, string> {
  const config = image.config ?? {};
  const derived: readonly (readonly [name: string, value: string | undefined])[] = [
    ["os", image.os],
    ["architecture", image.architecture],
    ["variant", image.variant],
    ["os.version", image["os.version"]],
    ["os.features", image["os.features"]?.join(",")],
    ["author", image.author],
    ["created", image.created],
    ["stopSignal", config.StopSignal],
    [
      "exposedPorts",
      Object.keys(config.ExposedPorts ?? {})
        .toSorted()
        .join(","),
    ],
  ];
  const all = new Map<string, string>();
  for (const [name, value] of derived) if (value) all.set(`org.opencontainers.image.${name}`, value);
  for (const [name, value] of Object.entries(config.Labels ?? {})) all.set(name, value);
  return Object.fromEntries([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** runc refuses to set any others where it has no root, whatever is mapped. */
function settableGroups({ user, userNamespace, rootless }: RuntimeConfigParts): readonly number[] {
  if (rootless) return [];
  if (userNamespace === undefined) return user.additionalGids;
  return user.additionalGids.filter((gid) => hostIdOf(userNamespace.gids, gid) !== undefined);
}

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

function mountsOf({ userNamespace, rootless, volumes }: RuntimeConfigParts): Mount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  const ttyGroup = userNamespace === undefined || hostIdOf(userNamespace.gids, 5) !== undefined ? ["gid=5"] : [];
  const mount = (destination: string, type: string, source: string, ...options: string[]): Mount => ({
    destination,
    type,
    source,
    options,
  });
  return [
    mount("/proc", "proc", "proc", ...quiet),
    mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...ttyGroup),
    mount("/dev/shm", "tmpfs", "shm", ...quiet, "mode=1777", "size=65536k"),
    mount("/dev/mqueue", "mqueue", "mqueue", ...quiet),
    ...(rootless
      ? [
          // sysfs belongs to a network namespace, and this one is the machine's.
          mount("/sys", "bind", "/sys", "rbind", ...quiet, "ro"),
          mount("/etc/resolv.conf", "bind", "/etc/resolv.conf", "rbind", "ro"),
        ]
      : [
          mount("/sys", "sysfs", "sysfs", ...quiet, "ro"),
          mount("/sys/fs/cgroup", "cgroup", "cgroup", ...quiet, "relatime", "ro"),
        ]),
    ...volumes.map(({ path, mode, uid, gid, copied }) =>
      mount(
        path,
        "tmpfs",
        "tmpfs",
        "rw",
        "nosuid",
        "nodev",
        `mode=${mode.toString(8)}`,
        ...(uid === 0 ? [] : [`uid=${uid}`]),
        ...(gid === 0 ? [] : [`gid=${gid}`]),
        // Begins as what the image has there (runc and crun).
        ...(copied ? ["tmpcopyup"] : []),
      ),
    ),
  ];
}

function mappings(map: readonly IdRange[]): object[] {
  return map.map(({ containerId, hostId, size }) => ({ containerID: containerId, hostID: hostId, size }));
}
